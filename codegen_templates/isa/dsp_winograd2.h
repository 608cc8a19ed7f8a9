/* dsp_winograd2: the input transform of F(2x2, 3x3): sums and differences of signed bytes, which fit halfwords.  The result is 4 times the
 * convolution, modulo 2^32. */

#define EDGEC_WINO2_LINE(d0, d1, d2, d3, to, step)                                                                       \
    do {                                                                                                                 \
        const uint32_t c_ = (d1), e_ = (d2);                                                                             \
        (to)[0] = edgec_ssub16((d0), e_), (to)[(step)] = edgec_sadd16(c_, e_);                                           \
        (to)[2 * (step)] = edgec_ssub16(e_, c_), (to)[3 * (step)] = edgec_ssub16(c_, (d3));                              \
    } while (0)

/* Two tiles share two of their columns: six columns of four channels, each as four words of the channels (0, 2), then four of (1, 3). */
EDGEC_SHARED void edgec_wino2_input(const edgec_wino_t *w, const int8_t *const *rows, int left, uint32_t *v, uint32_t *work)
{
    const uint32_t zero = ((uint32_t)w->zx & 0xffu) * 0x01010101u;
    const int channels = w->channels, size = w->size;
    for (int first = 0; first < channels; first += 4, v += 4) {
        uint32_t *to = work;
        for (int at = left * channels + first, x = left; x < left + 6; ++x, at += channels, to += 8) {
            uint32_t x0 = zero, x1 = zero, x2 = zero, x3 = zero;
            if (x >= 0 && x < size) {
                x0 = edgec_load4(rows[0] + at), x1 = edgec_load4(rows[1] + at), x2 = edgec_load4(rows[2] + at), x3 = edgec_load4(rows[3] + at);
            }
            EDGEC_WINO2_LINE(edgec_sxtb16(x0), edgec_sxtb16(x1), edgec_sxtb16(x2), edgec_sxtb16(x3), to, 1);
            EDGEC_WINO2_LINE(edgec_sxtb16_ror8(x0), edgec_sxtb16_ror8(x1), edgec_sxtb16_ror8(x2), edgec_sxtb16_ror8(x3), to + 4, 1);
        }
        for (int half = 0; half < 2; ++half) {
            const uint32_t *d = work + 4 * half;
            uint32_t *line = v + 2 * half;
            for (int i = 0; i < 4; ++i, ++d, line += 4 * channels) {
                const uint32_t d2 = d[16], d3 = d[24];
                EDGEC_WINO2_LINE(d[0], d[8], d2, d3, line, channels);
                EDGEC_WINO2_LINE(d2, d3, d[32], d[40], line + 1, channels);
            }
        }
    }
}
