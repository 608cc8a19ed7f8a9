/* dsp_winograd4: the input transform of F(4x4, 3x3).  Inputs are taken as unsigned bytes d = x + 128, so that plain 32-bit additions serve two
 * channels at once.  The result is 576 times the convolution, modulo 2^32. */

/* A line of six times the input matrix: d becomes its product. */
#define EDGEC_WINO_LINE(d0, d1, d2, d3, d4, d5)                                     \
    do {                                                                            \
        const uint32_t c_ = (d4) - (d2), e_ = (d3) - (d1);                          \
        const uint32_t a_ = (d4) - 4 * (d2), b_ = (d3) - 4 * (d1);                  \
        (d0) = c_ + 4 * ((d0) - (d2));                                              \
        (d5) = (d5) - (d3) - 4 * e_;                                                \
        (d1) = a_ + b_;                                                             \
        (d2) = a_ - b_;                                                             \
        (d3) = c_ + 2 * e_;                                                         \
        (d4) = c_ - 2 * e_;                                                         \
    } while (0)

/* One column of four channels: six words of raw bytes -> lines of the channel pairs (0, 2) and (1, 3). */
static inline void edgec_wino_column(uint32_t x0, uint32_t x1, uint32_t x2, uint32_t x3, uint32_t x4, uint32_t x5, uint32_t *even, uint32_t *odd)
{
    const uint32_t flip = 0x80808080u;
    x0 ^= flip, x1 ^= flip, x2 ^= flip, x3 ^= flip, x4 ^= flip, x5 ^= flip;
    uint32_t a0 = edgec_uxtb16(x0), a1 = edgec_uxtb16(x1), a2 = edgec_uxtb16(x2), a3 = edgec_uxtb16(x3), a4 = edgec_uxtb16(x4),
             a5 = edgec_uxtb16(x5);
    EDGEC_WINO_LINE(a0, a1, a2, a3, a4, a5);
    even[0] = a0, even[10] = a1, even[20] = a2, even[30] = a3, even[40] = a4, even[50] = a5;
    a0 = edgec_uxtb16_ror8(x0), a1 = edgec_uxtb16_ror8(x1), a2 = edgec_uxtb16_ror8(x2), a3 = edgec_uxtb16_ror8(x3);
    a4 = edgec_uxtb16_ror8(x4), a5 = edgec_uxtb16_ror8(x5);
    EDGEC_WINO_LINE(a0, a1, a2, a3, a4, a5);
    odd[0] = a0, odd[10] = a1, odd[20] = a2, odd[30] = a3, odd[40] = a4, odd[50] = a5;
}

/* The lines of two channels -> 36 words at v, `stride` words apart.  A negative low half has borrowed from the high one: it is given back. */
#define EDGEC_WINO_MEND(x) ((x) + (((x) & 0x8000u) << 1))

EDGEC_SHARED void edgec_wino_lines(const uint32_t *d, uint32_t *v, int stride)
{
    for (const uint32_t *const stop = d + 60; d != stop; d += 10, v += stride) {
        uint32_t d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4], d5 = d[5];
        EDGEC_WINO_LINE(d0, d1, d2, d3, d4, d5);
        *v = EDGEC_WINO_MEND(d0), v += stride;
        *v = EDGEC_WINO_MEND(d1), v += stride;
        *v = EDGEC_WINO_MEND(d2), v += stride;
        *v = EDGEC_WINO_MEND(d3), v += stride;
        *v = EDGEC_WINO_MEND(d4), v += stride;
        *v = EDGEC_WINO_MEND(d5);
    }
}

/* Two tiles share two of their columns: ten columns in all. */
EDGEC_SHARED void edgec_wino4_input(const edgec_wino_t *w, const int8_t *const *rows, int left, uint32_t *v, uint32_t *work)
{
    const uint32_t zero = ((uint32_t)w->zx & 0xffu) * 0x01010101u;
    const int channels = w->channels, size = w->size;
    for (int first = 0; first < channels; first += 4, v += 4) {
        uint32_t *even = work, *odd = work + 60;
        for (int at = left * channels + first, x = left; x < left + 10; ++x, at += channels) {
            if (x >= 0 && x < size) {
                edgec_wino_column(edgec_load4(rows[0] + at), edgec_load4(rows[1] + at), edgec_load4(rows[2] + at), edgec_load4(rows[3] + at),
                                  edgec_load4(rows[4] + at), edgec_load4(rows[5] + at), even++, odd++);
            } else {
                edgec_wino_column(zero, zero, zero, zero, zero, zero, even++, odd++);
            }
        }
        for (int t = 0; t < 2; ++t) {
            edgec_wino_lines(work + 4 * t, v + t, channels);
            edgec_wino_lines(work + 60 + 4 * t, v + 2 + t, channels);
        }
    }
}

/* Four outputs of a line of six: m becomes y in its first four. */
#define EDGEC_WINO_SUM(m0, m1, m2, m3, m4, m5)                                      \
    do {                                                                            \
        const uint32_t p_ = (m1) + (m2), q_ = (m1) - (m2), r_ = (m3) + (m4), s_ = (m3) - (m4); \
        (m0) = (m0) + p_ + r_;                                                      \
        (m1) = q_ + 2 * s_;                                                         \
        (m2) = p_ + 4 * r_;                                                         \
        (m3) = q_ + 8 * s_ + 2 * (m5);                                              \
    } while (0)
