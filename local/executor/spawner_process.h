/// The helper processes. Three kinds, each of one thread, none of which ever execs:
///   guardian  one; starts the spawner, and a new one when that is killed
///   spawner   one; takes orders from the main process and starts shims
///   shim      one for each container; starts its program, outlives it, and ends what it left
///   behind
/// Each is the subreaper of those below and is told when the one above dies. So whatever is killed,
/// and however a program's children detach themselves, something remains that ends them.
#pragma once

namespace millrace::executor {

/// Be the guardian. `socket` is a SOCK_SEQPACKET to the main process; its end is ours.
[[noreturn]] void run_guardian(int socket);

}  // namespace millrace::executor
