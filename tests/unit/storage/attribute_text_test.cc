#include "local/storage/attribute_text.h"

#include <gtest/gtest.h>

namespace millrace::storage {
namespace {

const Key kKey{"pods", "team", "web-0"};
const Attributes kAttributes{
    {{"app", "web-0"}, {"empty", ""}, {"long", std::string(300, 'x')}},
    {{"metadata.name", "web-0"}, {"metadata.namespace", "team"}, {"owner", "some-uid"}}};

TEST(AttributeText, ReadsBackWhatWasPacked) {
  NameTable names;
  NameTable* const none = nullptr;
  for (NameTable* table : {none, &names}) {
    const std::string bytes = pack_attributes(kKey, "some-uid", kAttributes, table);
    std::string uid;
    Attributes attributes;
    ASSERT_TRUE(unpack_attributes(bytes, kKey, table, uid, attributes));
    EXPECT_EQ(uid, "some-uid");
    EXPECT_EQ(attributes, kAttributes);
  }
}

TEST(AttributeText, NamesThatATableHoldsCostOneByte) {
  NameTable names;
  const std::string alone = pack_attributes(kKey, "some-uid", kAttributes, nullptr);
  const std::string shared = pack_attributes(kKey, "some-uid", kAttributes, &names);
  EXPECT_EQ(alone.size() - shared.size(), std::string("appemptylongmetadata.name"
                                                      "metadata.namespaceowner")
                                                  .size() +
                                              6);  // and their lengths
}

TEST(AttributeText, AFullTableStillPacks) {
  NameTable names;
  std::string uid;
  Attributes read;
  for (int i = 0; i < 5000; ++i) {
    const Attributes attributes{{{"label-" + std::to_string(i), "v"}}, {}};
    const std::string bytes = pack_attributes(kKey, "u", attributes, &names);
    ASSERT_TRUE(unpack_attributes(bytes, kKey, &names, uid, read));
    ASSERT_EQ(read, attributes);
  }
}

TEST(AttributeText, EveryCutIsNoticed) {
  const std::string bytes = pack_attributes(kKey, "some-uid", kAttributes, nullptr);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    std::string uid;
    Attributes attributes;
    EXPECT_FALSE(unpack_attributes(bytes.substr(0, size), kKey, nullptr, uid, attributes)) << size;
  }
}

}  // namespace
}  // namespace millrace::storage
