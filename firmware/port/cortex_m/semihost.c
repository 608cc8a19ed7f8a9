/* Files through Arm semihosting.  Never run on hardware without a debugger.
 * Source: Arm, "Semihosting for AArch32 and AArch64", operation numbers and argument blocks. */
#include <string.h>

#include "files.h"

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT = 0x18 };
enum { MODE_READ_BINARY = 1, MODE_WRITE_BINARY = 5 };
enum { ADP_STOPPED_APPLICATION_EXIT = 0x20026, ADP_STOPPED_RUN_TIME_ERROR = 0x20023 };

static uintptr_t semihost(uint32_t operation, const void *arguments)
{
    register uintptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

uintptr_t file_open(const char *name, bool write)
{
    const uintptr_t arguments[3] = {(uintptr_t)name, write ? MODE_WRITE_BINARY : MODE_READ_BINARY, strlen(name)};
    return semihost(SYS_OPEN, arguments);
}

/* Reading and writing return the number of bytes NOT transferred. */
bool file_read(uintptr_t file, void *to, size_t count)
{
    const uintptr_t arguments[3] = {file, (uintptr_t)to, count};
    return semihost(SYS_READ, arguments) == 0u;
}

bool file_write(uintptr_t file, const void *from, size_t count)
{
    const uintptr_t arguments[3] = {file, (uintptr_t)from, count};
    return semihost(SYS_WRITE, arguments) == 0u;
}

void file_end(bool sound)
{
    const uintptr_t why = sound ? ADP_STOPPED_APPLICATION_EXIT : ADP_STOPPED_RUN_TIME_ERROR;
    (void)semihost(SYS_EXIT, (const void *)why);
    for (;;) {
    }
}
