/* Files of whoever runs the batch program: an emulator's host (semihosting) or the operating system itself. */
#ifndef EDGEC_FILES_H
#define EDGEC_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILE_NONE UINTPTR_MAX

/* A handle, or FILE_NONE. */
uintptr_t file_open(const char *name, bool write);

/* Whether all bytes were transferred. */
bool file_read(uintptr_t file, void *to, size_t count);
bool file_write(uintptr_t file, const void *from, size_t count);

/* Ends the program and tells whether all went well. */
void file_end(bool sound);

#endif
