#include "kubeclient/runtime/env.h"

#include <pthread.h>
#ifdef __GLIBC__
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <cstdint>

#include <condition_variable>
#include <mutex>
#include <string_view>

namespace millrace::runtime {

bool SystemPause::wait(Duration length, const std::stop_token& stop) const {
  if (length > Duration::zero()) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, length, [] { return false; });
  }
  return !stop.stop_requested();
}

void name_this_thread(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

// Under a sanitizer the heap is the sanitizer's: glibc's own was never set up, and two threads that
// trim it at once crash in doing so.
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MILLRACE_GLIBC_HEAP
namespace {

/// Starting touches code that nothing needs later (relocation, start-up of forty libraries), and
/// the kernel maps sixteen pages for each one touched. Only segments that are never written can be
/// let go: their pages are all in the files.
int drop_code(dl_phdr_info* info, std::size_t, void*) {
  const std::string_view name = info->dlpi_name;
  if (name.find("vdso") != std::string_view::npos) return 0;  // of the kernel, in no file
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type == PT_DYNAMIC) {
      const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(info->dlpi_addr + segment.p_vaddr);
      for (; entry->d_tag != DT_NULL; ++entry) {
        const bool patched = entry->d_tag == DT_TEXTREL ||
                             (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0);
        if (patched) return 0;
      }
    }
  }
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = (info->dlpi_addr + segment.p_vaddr + page - 1) & ~(page - 1);
    const std::uintptr_t end = (info->dlpi_addr + segment.p_vaddr + segment.p_filesz) & ~(page - 1);
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace
#endif

void return_free_memory() {
#ifdef MILLRACE_GLIBC_HEAP
  malloc_trim(0);
  dl_iterate_phdr(drop_code, nullptr);
#endif
}

}  // namespace millrace::runtime
