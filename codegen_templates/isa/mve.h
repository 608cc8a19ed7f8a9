/* mve: what the Helium (Armv8.1-M vector) kernels share.  Assembly where the compiler targets MVE, the same in plain C elsewhere.
 * Nothing here reads or writes beyond the n bytes it is given. */
#if defined(__ARM_FEATURE_MVE) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-vectorize") /* gcc 12 makes wrong code of plain loops of bytes for MVE */
#endif
#if defined(__ARM_FEATURE_MVE) && defined(__GNUC__)
#define EDGEC_MVE_ASM 1
#else
#define EDGEC_MVE_ASM 0
#endif
#if defined(__clang__)
#pragma clang diagnostic ignored "-Woverlength-strings" /* a written-out loop is one long string of assembly */
#define EDGEC_MVE_NAKED static __attribute__((naked, noinline, unused))
#else
#define EDGEC_MVE_NAKED static __attribute__((naked, noinline, noipa, unused)) /* noipa: the compiler cannot see what it reads */
#endif
#define EDGEC_MVE_ARG __attribute__((unused)) /* of a naked function: read by its registers */

/* A run of pixels times a packed matrix, see mve_dot.h. */
typedef struct {
    const int8_t *x;       /* first pixel, advanced by the blocks */
    int8_t *out;           /* its results, advanced by the blocks */
    const int32_t *stream; /* weights, biases and factors, four channels after another */
    int32_t outputs;       /* channels */
    int32_t x_step, out_step; /* bytes from pixel to pixel */
    int32_t blocks;        /* >= 1 */
    int32_t round, shift;  /* zero point and half a unit; minus the shift, which is >= 1 */
    int32_t left;          /* pre-shift of the accumulators */
    int32_t tail;          /* bytes of the last, incomplete vector of a pixel */
    int32_t more, pass;    /* whole vectors of a pixel behind the first, at least 1; bytes of two channels in the stream */
} edgec_mve_dot_t;

static inline void edgec_mve_fill(int8_t *to, int value, int n)
{
#if EDGEC_MVE_ASM
    __asm__ volatile("vdup.8 q0, %2\n\twlstp.8 lr, %1, 2f\n1:\n\tvstrb.8 q0, [%0], #16\n\tletp lr, 1b\n2:"
                     : "+&r"(to)
                     : "r"(n), "r"(value)
                     : "q0", "lr", "memory");
#else
    memset(to, value, (size_t)n);
#endif
}

static inline void edgec_mve_copy(int8_t *to, const int8_t *from, int n)
{
#if EDGEC_MVE_ASM
    __asm__ volatile("wlstp.8 lr, %2, 2f\n1:\n\tvldrb.u8 q0, [%1], #16\n\tvstrb.8 q0, [%0], #16\n\tletp lr, 1b\n2:"
                     : "+&r"(to), "+&r"(from)
                     : "r"(n)
                     : "q0", "lr", "memory");
#else
    memcpy(to, from, (size_t)n);
#endif
}

/* Clamps n bytes in place; nothing to do for the bounds of int8. */
static inline void edgec_mve_clamp(int8_t *y, int n, int lo, int hi)
{
    if (lo == -128 && hi == 127) {
        return;
    }
#if EDGEC_MVE_ASM
    __asm__ volatile("vdup.8 q1, %2\n\tvdup.8 q2, %3\n\twlstp.8 lr, %1, 2f\n1:\n\tvldrb.u8 q0, [%0]\n\tvmax.s8 q0, q0, q1\n\t"
                     "vmin.s8 q0, q0, q2\n\tvstrb.8 q0, [%0], #16\n\tletp lr, 1b\n2:"
                     : "+&r"(y)
                     : "r"(n), "r"(lo), "r"(hi)
                     : "q0", "q1", "q2", "lr", "memory");
#else
    for (; n > 0; --n, ++y) {
        *y = (int8_t)(*y < lo ? lo : *y > hi ? hi : *y);
    }
#endif
}

/* count columns of n bytes, from_step apart, to places to_step apart. */
static inline void edgec_mve_columns_any(int8_t *to, int to_step, const int8_t *from, int from_step, int n, int count)
{
    for (; count > 0; --count, to += to_step, from += from_step) {
        edgec_mve_copy(to, from, n);
    }
}

/* saturate((round + high(2 * acc * m)) >> shift): VQDMLASH, a shift, two saturating narrowings.  0 <= m < 2^31, shift >= 1. */
static inline int8_t edgec_mve_narrow(int32_t acc, int32_t m, int32_t round, int32_t shift)
{
    const int64_t y = (((int64_t)acc * m >> 31) + round) >> shift;
    return (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
}

/* Depthwise windows over interleaved columns, see mve_depthwise.h.  Addresses are 32 bits. */
typedef struct {
    const int32_t *stream; /* weights, bias and factor of each channel */
    int8_t *out;           /* first channel of the first result */
    int32_t channels;      /* 1..16 */
    int32_t count;         /* whole groups of results */
    int32_t rewind;        /* bytes that the column addresses advance by for a channel, less 4 */
    int32_t step, back;    /* bytes of out from group to group; those of all groups, less 1 */
    int32_t round, shift, left;
    int32_t mask, tail_mask; /* predicates of the stores: byte lanes of whole groups, and of the last one */
    int32_t next;            /* bytes of columns from result to result */
    uint32_t columns[4];     /* addresses of the four columns of the first window */
    int32_t offsets[4];      /* of the four results from out */
} edgec_mve_depthwise_t;

/* Up to four rows of up to 16 channels side by side, see mve_interleave.h.  A row in the padding has step 0. */
typedef struct {
    const int8_t *from[4];
    int32_t step[4];
    int8_t *to;
    int32_t to_step, count;
} edgec_mve_interleave_t;

/* sums[c] += x[c] over `pixels` >= 1 pixels, step bytes apart; c < channels, 16 at a time, then 4. */
static inline void edgec_mve_sums(int32_t *sums, const int8_t *x, int step, int channels, int pixels)
{
#if EDGEC_MVE_ASM
    for (; channels >= 16; channels -= 16, x += 16, sums += 16) {
        const int8_t *at = x;
        __asm__ volatile("vldrw.u32 q0, [%[sums]]\n\tvldrw.u32 q1, [%[sums], #16]\n\tvldrw.u32 q2, [%[sums], #32]\n\tvldrw.u32 q3, [%[sums], #48]\n\t"
                         "dls lr, %[pixels]\n1:\n\tvldrb.s32 q4, [%[at]]\n\tvadd.i32 q0, q0, q4\n\tvldrb.s32 q4, [%[at], #4]\n\tvadd.i32 q1, q1, q4\n\t"
                         "vldrb.s32 q4, [%[at], #8]\n\tvadd.i32 q2, q2, q4\n\tvldrb.s32 q4, [%[at], #12]\n\tvadd.i32 q3, q3, q4\n\t"
                         "add %[at], %[at], %[step]\n\tle lr, 1b\n\t"
                         "vstrw.32 q0, [%[sums]]\n\tvstrw.32 q1, [%[sums], #16]\n\tvstrw.32 q2, [%[sums], #32]\n\tvstrw.32 q3, [%[sums], #48]"
                         : [at] "+&l"(at)
                         : [sums] "r"(sums), [pixels] "r"(pixels), [step] "r"(step)
                         : "q0", "q1", "q2", "q3", "q4", "lr", "memory");
    }
    for (; channels > 0; channels -= 4, x += 4, sums += 4) {
        const int8_t *at = x;
        __asm__ volatile("vctp.32 %[channels]\n\tvpst\n\tvldrwt.u32 q0, [%[sums]]\n\tdls lr, %[pixels]\n1:\n\tvpst\n\tvldrbt.s32 q1, [%[at]]\n\t"
                         "vadd.i32 q0, q0, q1\n\tadd %[at], %[at], %[step]\n\tle lr, 1b\n\tvpst\n\tvstrwt.32 q0, [%[sums]]"
                         : [at] "+&l"(at)
                         : [sums] "r"(sums), [pixels] "r"(pixels), [step] "r"(step), [channels] "r"(channels)
                         : "q0", "q1", "lr", "memory");
    }
#else
    for (; pixels > 0; --pixels, x += step) {
        for (int c = 0; c < channels; ++c) {
            sums[c] += x[c];
        }
    }
#endif
}

/* best[c] = the larger of best[c] and x[c] over `pixels` >= 1 pixels, step bytes apart; c < channels. */
static inline void edgec_mve_most(int8_t *best, const int8_t *x, int step, int channels, int pixels)
{
#if EDGEC_MVE_ASM
    for (; channels > 0; channels -= 16, x += 16, best += 16) {
        const int8_t *at = x;
        __asm__ volatile("vctp.8 %[channels]\n\tvpst\n\tvldrbt.u8 q0, [%[best]]\n\tdls lr, %[pixels]\n1:\n\tvpst\n\tvldrbt.u8 q1, [%[at]]\n\t"
                         "vmax.s8 q0, q0, q1\n\tadd %[at], %[at], %[step]\n\tle lr, 1b\n\tvpst\n\tvstrbt.8 q0, [%[best]]"
                         : [at] "+&r"(at)
                         : [best] "r"(best), [pixels] "r"(pixels), [step] "r"(step), [channels] "r"(channels)
                         : "q0", "q1", "lr", "memory");
    }
#else
    for (; pixels > 0; --pixels, x += step) {
        for (int c = 0; c < channels; ++c) {
            best[c] = x[c] > best[c] ? x[c] : best[c];
        }
    }
#endif
}
