/* Files of the operating system, through the C library. */
#include <stdio.h>
#include <stdlib.h>

#include "files.h"

uintptr_t file_open(const char *name, bool write)
{
    FILE *file = fopen(name, write ? "wb" : "rb");
    return file != NULL ? (uintptr_t)file : FILE_NONE;
}

bool file_read(uintptr_t file, void *to, size_t count) { return fread(to, 1, count, (FILE *)file) == count; }

bool file_write(uintptr_t file, const void *from, size_t count) { return fwrite(from, 1, count, (FILE *)file) == count; }

void file_end(bool sound) { exit(fflush(NULL) == 0 && sound ? EXIT_SUCCESS : EXIT_FAILURE); }
