/* The two functions edgec's libraries need, for toolchains without a C library (zig's thumb-freestanding). */
#ifndef EDGEC_FREESTANDING_STRING_H
#define EDGEC_FREESTANDING_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);

static inline size_t strlen(const char *string)
{
    size_t length = 0;
    while (string[length] != '\0') {
        length++;
    }
    return length;
}

static inline int strncmp(const char *a, const char *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i] != b[i] || a[i] == '\0') {
            return (int)(unsigned char)a[i] - (int)(unsigned char)b[i];
        }
    }
    return 0;
}

static inline int strcmp(const char *a, const char *b) { return strncmp(a, b, (size_t)-1); }

static inline char *strchr(const char *string, int wanted)
{
    for (; *string != (char)wanted; string++) {
        if (*string == '\0') {
            return NULL;
        }
    }
    return (char *)(size_t)string;
}

#endif
