/* dsp: the Armv7E-M / Armv8-M DSP instructions that the kernels use, one inline function each, and the same in C for other machines,
 * so that a kernel gives identical bytes on the host.  "pair": two int16 in one word, the first in the low half. */

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
#define EDGEC_DSP_ASM 1
#define EDGEC_NAKED static __attribute__((naked, noinline, unused))
#define EDGEC_ARG __attribute__((unused)) /* of a naked function: read by its registers */
#else
#define EDGEC_DSP_ASM 0
#endif

/* A function that several kernels call: one copy, and none where no kernel does. */
#if defined(__GNUC__)
#define EDGEC_SHARED static __attribute__((noinline, unused))
#else
#define EDGEC_SHARED static inline
#endif

/* Four bytes as a word, the first in the low byte; any alignment. */
static inline uint32_t edgec_load4(const int8_t *p)
{
#if EDGEC_DSP_ASM
    uint32_t word;
    __asm__("ldr %0, %1" : "=r"(word) : "m"(*(const int8_t(*)[4])p));
    return word;
#else
    return (uint32_t)(uint8_t)p[0] | (uint32_t)(uint8_t)p[1] << 8 | (uint32_t)(uint8_t)p[2] << 16 | (uint32_t)(uint8_t)p[3] << 24;
#endif
}

static inline void edgec_store4(int8_t *p, uint32_t word)
{
#if EDGEC_DSP_ASM
    __asm__("str %1, %0" : "=m"(*(int8_t(*)[4])p) : "r"(word));
#else
    for (int i = 0; i < 4; ++i, word >>= 8) {
        p[i] = (int8_t)((int32_t)((word & 0xffu) ^ 0x80u) - 0x80);
    }
#endif
}

/* n bytes, any alignment. */
static inline void edgec_copy(int8_t *to, const int8_t *from, int n)
{
    for (; n >= 8; n -= 8, to += 8, from += 8) {
        const uint32_t a = edgec_load4(from), b = edgec_load4(from + 4);
        edgec_store4(to, a);
        edgec_store4(to + 4, b);
    }
    for (; n > 0; --n) {
        *to++ = *from++;
    }
}

/* n bytes of one value. */
static inline void edgec_fill(int8_t *to, int value, int n)
{
    const uint32_t word = ((uint32_t)value & 0xffu) * 0x01010101u;
    for (; n >= 4; n -= 4, to += 4) {
        edgec_store4(to, word);
    }
    for (; n > 0; --n) {
        *to++ = (int8_t)value;
    }
}

/* The pair (byte 0, byte 2) of a word of four int8. */
static inline uint32_t edgec_sxtb16(uint32_t x)
{
#if EDGEC_DSP_ASM
    uint32_t r;
    __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(x));
    return r;
#else
    const uint32_t low = x & 0xffu, high = (x >> 16) & 0xffu;
    return (((low ^ 0x80u) - 0x80u) & 0xffffu) | ((high ^ 0x80u) - 0x80u) << 16;
#endif
}

/* The pair (byte 1, byte 3) of a word of four int8. */
static inline uint32_t edgec_sxtb16_ror8(uint32_t x)
{
#if EDGEC_DSP_ASM
    uint32_t r;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(x));
    return r;
#else
    return edgec_sxtb16(x >> 8);
#endif
}

/* The pair (first of a, first of b). */
static inline uint32_t edgec_pkhbt(uint32_t a, uint32_t b)
{
#if EDGEC_DSP_ASM
    uint32_t r;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(r) : "r"(a), "r"(b));
    return r;
#else
    return (a & 0xffffu) | b << 16;
#endif
}

/* The pair (second of a, second of b). */
static inline uint32_t edgec_pkhtb(uint32_t a, uint32_t b)
{
#if EDGEC_DSP_ASM
    uint32_t r;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(r) : "r"(b), "r"(a));
    return r;
#else
    return a >> 16 | (b & 0xffff0000u);
#endif
}

/* Sums and differences of both halfwords, modulo 2^16. */
static inline uint32_t edgec_sadd16(uint32_t a, uint32_t b)
{
#if EDGEC_DSP_ASM
    uint32_t r;
    __asm__("sadd16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
#else
    return ((a + b) & 0xffffu) | ((a & 0xffff0000u) + (b & 0xffff0000u));
#endif
}

static inline uint32_t edgec_ssub16(uint32_t a, uint32_t b)
{
#if EDGEC_DSP_ASM
    uint32_t r;
    __asm__("ssub16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
#else
    return ((a - b) & 0xffffu) | ((a & 0xffff0000u) - (b & 0xffff0000u));
#endif
}

/* The same of four unsigned bytes: (byte 0, byte 2), (byte 1, byte 3). */
static inline uint32_t edgec_uxtb16(uint32_t x)
{
#if EDGEC_DSP_ASM
    uint32_t r;
    __asm__("uxtb16 %0, %1" : "=r"(r) : "r"(x));
    return r;
#else
    return x & 0x00ff00ffu;
#endif
}

static inline uint32_t edgec_uxtb16_ror8(uint32_t x)
{
#if EDGEC_DSP_ASM
    uint32_t r;
    __asm__("uxtb16 %0, %1, ror #8" : "=r"(r) : "r"(x));
    return r;
#else
    return edgec_uxtb16(x >> 8);
#endif
}

/* sum + the pair (byte 0, byte 2) or (byte 1, byte 3) of x, each half modulo 2^16. */
static inline uint32_t edgec_sxtab16(uint32_t sum, uint32_t x)
{
#if EDGEC_DSP_ASM
    __asm__("sxtab16 %0, %0, %1" : "+r"(sum) : "r"(x));
    return sum;
#else
    const uint32_t pair = edgec_sxtb16(x);
    return ((sum + pair) & 0xffffu) | ((sum & 0xffff0000u) + (pair & 0xffff0000u));
#endif
}

static inline uint32_t edgec_sxtab16_ror8(uint32_t sum, uint32_t x)
{
#if EDGEC_DSP_ASM
    __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(sum) : "r"(x));
    return sum;
#else
    return edgec_sxtab16(sum, x >> 8);
#endif
}

/* The halves of a pair as numbers. */
static inline int32_t edgec_low(uint32_t pair)
{
    return (int32_t)((pair & 0xffffu) ^ 0x8000u) - 0x8000;
}

static inline int32_t edgec_high16(uint32_t pair)
{
    return (int32_t)((pair >> 16) ^ 0x8000u) - 0x8000;
}

#if !EDGEC_DSP_ASM
static inline int32_t edgec_half(uint32_t pair, int which)
{
    const uint32_t h = which != 0 ? pair >> 16 : pair & 0xffffu;
    return (int32_t)(h ^ 0x8000u) - 0x8000;
}
#endif

/* acc + x.first*w.first + x.second*w.second, modulo 2^32. */
static inline int32_t edgec_smlad(uint32_t x, uint32_t w, int32_t acc)
{
#if EDGEC_DSP_ASM
    __asm__("smlad %0, %1, %2, %0" : "+r"(acc) : "r"(x), "r"(w));
    return acc;
#else
    const int64_t dot = (int64_t)edgec_half(x, 0) * edgec_half(w, 0) + (int64_t)edgec_half(x, 1) * edgec_half(w, 1);
    return edgec_i32((uint32_t)acc + (uint32_t)((uint64_t)dot & 0xffffffffu));
#endif
}

/* acc + x.first * w.first; acc + x.first * w.second. */
static inline int32_t edgec_smlabb(uint32_t x, uint32_t w, int32_t acc)
{
#if EDGEC_DSP_ASM
    __asm__("smlabb %0, %1, %2, %0" : "+r"(acc) : "r"(x), "r"(w));
    return acc;
#else
    return edgec_add_wrap(acc, edgec_half(x, 0) * edgec_half(w, 0));
#endif
}

static inline int32_t edgec_smlabt(uint32_t x, uint32_t w, int32_t acc)
{
#if EDGEC_DSP_ASM
    __asm__("smlabt %0, %1, %2, %0" : "+r"(acc) : "r"(x), "r"(w));
    return acc;
#else
    return edgec_add_wrap(acc, edgec_half(x, 0) * edgec_half(w, 1));
#endif
}

/* add + high word of acc * m2; the r form rounds the high word. */
static inline int32_t edgec_smmla(int32_t acc, int32_t m2, int32_t add)
{
#if EDGEC_DSP_ASM
    int32_t r;
    __asm__("smmla %0, %1, %2, %3" : "=r"(r) : "r"(acc), "r"(m2), "r"(add));
    return r;
#else
    return add + edgec_high(acc, m2, 0);
#endif
}

static inline int32_t edgec_smmlar(int32_t acc, int32_t m2, int32_t add)
{
#if EDGEC_DSP_ASM
    int32_t r;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(r) : "r"(acc), "r"(m2), "r"(add));
    return r;
#else
    return add + edgec_high(acc, m2, (int64_t)1 << 31);
#endif
}

/* Saturates to int8. */
static inline int8_t edgec_ssat8(int32_t x)
{
#if EDGEC_DSP_ASM
    __asm__("ssat %0, #8, %0" : "+r"(x));
    return (int8_t)x;
#else
    return (int8_t)(x < -128 ? -128 : x > 127 ? 127 : x);
#endif
}

/* x >> shift saturated to int8, where shift is a number the compiler sees. */
#if EDGEC_DSP_ASM
#define edgec_ssat8_asr(x, shift) \
    __extension__({                                                                   \
        int32_t x_ = (x);                                                             \
        __asm__("ssat %0, #8, %0, asr %1" : "+r"(x_) : "I"(shift));                   \
        (int8_t) x_;                                                                  \
    })
#else
#define edgec_ssat8_asr(x, shift) edgec_ssat8((x) >> (shift))
#endif

/* Clamps n bytes in place, four at a time; nothing to do for the bounds of int8. */
static inline void edgec_clamp_run(int8_t *y, int n, int lo, int hi)
{
    if (lo == -128 && hi == 127) {
        return;
    }
#if EDGEC_DSP_ASM
    const uint32_t low = (uint32_t)(uint8_t)lo * 0x01010101u, high = (uint32_t)(uint8_t)hi * 0x01010101u;
    for (; n >= 4; n -= 4, y += 4) {
        uint32_t word, spare;
        __asm__ volatile("ldr %0, [%2]\n\tssub8 %1, %0, %3\n\tsel %0, %0, %3\n\tssub8 %1, %4, %0\n\tsel %0, %0, %4\n\tstr %0, [%2]"
                         : "=&r"(word), "=&r"(spare)
                         : "r"(y), "r"(low), "r"(high)
                         : "memory", "cc");
    }
#endif
    for (; n > 0; --n, ++y) {
        *y = (int8_t)(*y < lo ? lo : *y > hi ? hi : *y);
    }
}
