/* scalar: the integer contract edgec.int8.v1 in plain C11.  Nothing overflows, nothing shifts a negative number to the left. */

/* The int32 whose bits are `bits` (two's complement). */
static inline int32_t edgec_i32(uint32_t bits)
{
    return bits <= 0x7fffffffu ? (int32_t)bits : -1 - (int32_t)(0xffffffffu - bits);
}

/* a + b modulo 2^32. */
static inline int32_t edgec_add_wrap(int32_t a, int32_t b)
{
    return edgec_i32((uint32_t)a + (uint32_t)b);
}

/* x * 2^left; the caller knows that it fits. */
static inline int32_t edgec_left(int32_t x, int32_t left)
{
    return edgec_i32((uint32_t)x << left);
}

/* floor((acc * m2 + half) / 2^32): the high word of the 64-bit product; half is 2^31 to round it, else 0. */
static inline int32_t edgec_high(int32_t acc, int32_t m2, int64_t half)
{
    return (int32_t)(((int64_t)acc * m2 + half) >> 32);
}

/* int32 accumulator -> int8 range: clamp(z + floor((2*m*acc + 2^(31+shift)) / 2^(32+shift)), lo, hi), round half up, once.
 * m: 0 .. 2^30-1; shift: 0..23; round: z * 2^shift + (shift ? 2^(shift-1) : 0).  A left pre-shift is the caller's (edgec_left). */
static inline int32_t edgec_requantize(int32_t acc, int32_t m, int32_t shift, int32_t round, int32_t lo, int32_t hi)
{
    const int32_t v = (edgec_high(acc, 2 * m, shift == 0 ? (int64_t)1 << 31 : 0) + round) >> shift;
    return v < lo ? lo : v > hi ? hi : v;
}
