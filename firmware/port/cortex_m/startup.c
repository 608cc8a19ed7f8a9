/* Reset and vector table for every Cortex-M: no vendor files. */
#include <stdint.h>
#include <string.h>

#include "port.h"
#include "text.h"

extern uint32_t __stack_top[];
extern uint32_t __stack_limit[];
extern uint8_t __data_start[], __data_end[], __data_load[];
extern uint8_t __bss_start[], __bss_end[];
extern uint32_t __arenas_start[], __arenas_end[]; /* a table: address and bytes of each arena */

int main(void);
void Reset_Handler(void);
extern void (*const vectors[16])(void);

uint32_t *port_stack_limit(void) { return __stack_limit; }

/* Kept out of Reset_Handler: at -O2 it may use vector or FPU registers, which are off until then. */
static __attribute__((noinline, noreturn)) void start(void)
{
    memcpy(__data_start, __data_load, (size_t)(__data_end - __data_start));
    memset(__bss_start, 0, (size_t)(__bss_end - __bss_start));
    for (const uint32_t *arena = __arenas_start; arena < __arenas_end; arena += 2) {
        memset((void *)(uintptr_t)arena[0], 0, arena[1]);
    }
    (void)main();
    for (;;) {
    }
}

__attribute__((noreturn)) void Reset_Handler(void)
{
    *(volatile uint32_t *)0xE000ED08u = (uint32_t)(uintptr_t)vectors; /* VTOR: a boot loader has its own (M0: ignored) */
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: coprocessors 10 and 11, FPU and MVE */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
#if defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED14u |= 1u << 19; /* CCR.LOB: low-overhead loops */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    start();
}

static __attribute__((noreturn)) void fault(void)
{
    text_line("");
    text_line("e-[Processor fault: the firmware stopped]");
    text_line("m-ready");
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) void (*const vectors[16])(void) = {
    (void (*)(void))(uintptr_t)__stack_top, Reset_Handler, fault, fault, fault, fault, fault, fault,
    fault, fault, fault, fault, fault, fault, fault, fault,
};
