#include "os/start_pages.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <span>

namespace ipop::os {
namespace {

/// Where the loader wrote into code, its pages are our own copies and would come back without that.
bool has_relocated_text(const dl_phdr_info& object, std::span<const ElfW(Phdr)> segments) {
  const auto dynamic = std::ranges::find(segments, ElfW(Word){PT_DYNAMIC}, &ElfW(Phdr)::p_type);
  if (dynamic == segments.end()) return false;
  const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(  // NOLINT(performance-no-int-to-ptr)
      object.dlpi_addr + dynamic->p_vaddr);
  for (; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_TEXTREL) return true;
    if (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0) return true;
  }
  return false;
}

int release_object(dl_phdr_info* object, std::size_t, void*) {
  const std::span segments(object->dlpi_phdr, object->dlpi_phnum);
  if (has_relocated_text(*object, segments)) return 0;
  const auto page = static_cast<ElfW(Addr)>(::sysconf(_SC_PAGESIZE));
  for (const ElfW(Phdr) & segment : segments) {
    // Never a writable one: among those are the pages that the loader made read-only afterwards.
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const ElfW(Addr) begin = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    const ElfW(Addr) end = object->dlpi_addr + segment.p_vaddr + segment.p_memsz;
    // Refused for what is no file (the vDSO): then nothing happens.
    void* const pages = reinterpret_cast<void*>(begin);  // NOLINT(performance-no-int-to-ptr)
    ::madvise(pages, end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void release_start_pages() { ::dl_iterate_phdr(release_object, nullptr); }

}  // namespace ipop::os
