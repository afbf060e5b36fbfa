"""What is known of shards from outside (docs/shards.md): the names of their Leases, and which run is in which."""
LEASE = "millrace-operator"


def lease_name(shard):
    return LEASE if shard == 0 else f"{LEASE}-{shard}"


def stable_hash(text):
    """controllers/logic/shard.h: FNV-1a of 64 bits with splitmix64's last step; the same in all releases."""
    mask = (1 << 64) - 1
    value = 0xcbf29ce484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001b3 & mask
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9 & mask
    value = (value ^ value >> 27) * 0x94d049bb133111eb & mask
    return value ^ value >> 31
