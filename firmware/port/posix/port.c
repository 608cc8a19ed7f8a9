/* A host: the same harness over standard input and output, for fuzzing and for trying the protocol without a board. */
#define _POSIX_C_SOURCE 200809L
#include "port.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>

static struct timespec begin;

void port_init(void) { (void)clock_gettime(CLOCK_MONOTONIC, &begin); }

void port_putc(char byte) { (void)putchar((unsigned char)byte); }

int port_getc(void)
{
    (void)fflush(stdout);
    return getchar();
}

uint64_t port_micros(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)((int64_t)(now.tv_sec - begin.tv_sec) * 1000000 + (now.tv_nsec - begin.tv_nsec) / 1000);
}

uint32_t port_cycles(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}

bool port_cycles_exact(void) { return false; }

uint32_t port_clock_hz(void) { return 1000000000u; }

/* Only where an emulator counts (its stack is all there from the start): 256 KB below the caller. */
uint32_t *port_stack_limit(void)
{
#if defined(__aarch64__)
    const char here = 0;
    return (uint32_t *)(((uintptr_t)&here - 262144u) & ~(uintptr_t)15u);
#else
    return NULL;
#endif
}
