#pragma once

namespace ipop::os {

/// Gives back the pages of programs and libraries that are only read: those that are used again
/// come back from the kernel's cache by themselves, within a microsecond. What starting alone needs
/// (relocation, the self-tests of every cipher in a library of which two are used) would otherwise
/// count as ours for ever: 6 of 16 MB. Any thread.
void release_start_pages();

}  // namespace ipop::os
