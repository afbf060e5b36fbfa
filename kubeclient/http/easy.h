/// Reusable libcurl handles. I/O thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kubeclient/http/loop.h"
#include "kubeclient/http/transfer.h"

namespace millrace::http {

/// One libcurl easy handle (a CURL*, which is a void*) with what must outlive its transfer.
struct Slot {
  Slot();
  ~Slot();
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  /// libcurl's sentence about the failure of the last transfer; may be empty.
  std::string_view detail() const { return error_text.data(); }

  void* easy = nullptr;
  void* header_list = nullptr;       ///< curl_slist*
  void* connect_to = nullptr;        ///< curl_slist*
  std::vector<std::string> headers;  ///< what header_list was made of
  std::uint64_t generation = 0;      ///< of the settings it carries; 0: none yet
  std::vector<char> error_text;
  Transfer* transfer = nullptr;
  std::size_t max_headers = 0;
  std::uint64_t* sendings = nullptr;  ///< of its pool
};

/// Give out handles that carry the loop's settings; keep a few for the next transfers.
class SlotPool {
 public:
  explicit SlotPool(const LoopOptions& options) : options_(options) {}

  /// A handle ready to run `transfer`.
  std::unique_ptr<Slot> take(Transfer& transfer);
  void give_back(std::unique_ptr<Slot> slot);
  void set_client_certificate(std::string certificate, std::string key);
  /// How often libcurl set out to send a request, on any handle.
  std::uint64_t sendings() const { return sendings_; }

 private:
  void apply_settings(Slot& slot);

  LoopOptions options_;
  std::uint64_t generation_ = 1;
  std::uint64_t sendings_ = 0;
  std::vector<std::unique_ptr<Slot>> idle_;
};

}  // namespace millrace::http
