/* plain: helpers of kernels for CPUs without DSP instructions (Armv6-M, Armv7-M); plain C elsewhere, with the same results. */

#if defined(__thumb2__)
#define EDGEC_THUMB2_ASM 1
#else
#define EDGEC_THUMB2_ASM 0
#endif
#if defined(__ARM_ARCH_6M__)
#define EDGEC_V6M_ASM 1
#else
#define EDGEC_V6M_ASM 0
#endif
#if (EDGEC_THUMB2_ASM || EDGEC_V6M_ASM) && !defined(EDGEC_NAKED)
#define EDGEC_NAKED static __attribute__((naked, noinline, unused))
#define EDGEC_ARG __attribute__((unused)) /* of a naked function: read by its registers */
#endif
#if !defined(EDGEC_SHARED) && defined(__GNUC__)
#define EDGEC_SHARED static __attribute__((noinline, unused))
#elif !defined(EDGEC_SHARED)
#define EDGEC_SHARED static inline
#endif

/* The signed number in the low `bits` bits of a word. */
static inline int32_t edgec_signed_bits(uint32_t word, int bits)
{
    return edgec_i32(word << (32 - bits)) >> (32 - bits);
}

/* x saturated to int8. */
static inline int8_t edgec_to_int8(int32_t x)
{
#if EDGEC_THUMB2_ASM
    __asm__("ssat %0, #8, %0" : "+r"(x));
    return (int8_t)x;
#else
    const int8_t y = (int8_t)edgec_signed_bits((uint32_t)x, 8);
    return y == x ? y : (int8_t)(x < 0 ? -128 : 127);
#endif
}

#if EDGEC_V6M_ASM
/* r0 = requantize to int8 of r0; r1, r2 the low 15 bits of m and those above, r3 2*round, r7 shift + 1; r4, r5 change.  See edgec_requantize8. */
#define EDGEC_REQUANTIZE_V6M \
    "asrs r4, r0, #15\n" "lsls r0, r0, #17\n" "lsrs r0, r0, #17\n" "movs r5, r0\n" "muls r5, r1, r5\n" "lsrs r5, r5, #15\n" \
    "muls r0, r2, r0\n" "adds r5, r5, r0\n" "movs r0, r4\n" "muls r0, r1, r0\n" "adds r5, r5, r0\n" "asrs r5, r5, #15\n" \
    "muls r4, r2, r4\n" "adds r4, r4, r5\n" "adds r4, r4, r3\n" "asrs r4, r4, r7\n" \
    "sxtb r0, r4\n" "cmp r0, r4\n" "beq 9f\n" "asrs r0, r4, #31\n" "movs r4, #127\n" "eors r0, r0, r4\n" "9:\n"
#endif

/* requantize to int8: clamp((floor(2*m*acc / 2^32) + round) >> shift), shift >= 1, |acc| < 2^30. */
static inline int8_t edgec_requantize8(int32_t acc, int32_t m, int32_t shift, int32_t round)
{
#if EDGEC_V6M_ASM
    /* Halves of 15 bits, because there is no 64-bit product: floor(acc*m / 2^30), its last bit goes with the shift. */
    const int32_t acc_high = acc >> 15, acc_low = acc & 0x7fff, m_high = m >> 15, m_low = m & 0x7fff;
    const int32_t middle = acc_high * m_low + acc_low * m_high + (acc_low * m_low >> 15);
    return edgec_to_int8((acc_high * m_high + (middle >> 15) + 2 * round) >> (shift + 1));
#else
    return edgec_to_int8((edgec_high(acc, 2 * m, 0) + round) >> shift);
#endif
}

/* Limits narrower than int8's, over n results. */
static inline void edgec_limit(int8_t *y, int n, int lo, int hi)
{
    for (; (lo != -128 || hi != 127) && n > 0; --n, ++y) {
        *y = (int8_t)(*y < lo ? lo : *y > hi ? hi : *y);
    }
}
