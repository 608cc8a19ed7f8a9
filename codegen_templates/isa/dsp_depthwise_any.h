/* dsp_depthwise_any: what depthwise kernels of any window share: row pairs of four channels, packed for one output row at a time.
 * Packed: [columns][4 channels][pairs] words, two rows of one channel in one column; an odd last row meets a zero weight. */

typedef struct {
    int32_t fours, rest, channels, shift, round, left; /* outputs of a row: 4 * fours + rest */
    const int32_t *bias, *mult;                        /* of four channels */
} edgec_dw_row_t;

typedef struct {
    const int8_t *weight; /* per channel [kernel_w][pairs][2 rows] as SXTB16 takes them apart, padded to words */
    const int32_t *bias, *mult;
    int32_t size, out, stride, pad, channels, zx, kernel_h, kernel_w;
} edgec_dw_t;

typedef void edgec_dw_outputs(const uint32_t *x, const uint32_t *w, int8_t *out, const edgec_dw_row_t *row);

/* `count` columns of one row pair. */
EDGEC_SHARED void edgec_dw_pack(uint32_t *at, const int8_t *const *rows, const int32_t *steps, int count, int pairs)
{
    const int8_t *a = rows[0], *b = rows[1];
    const int32_t step_a = steps[0], step_b = steps[1];
    for (; count > 0; --count, at += 4 * pairs, a += step_a, b += step_b) {
        const uint32_t x = edgec_load4(a), y = edgec_load4(b);
        const uint32_t x0 = edgec_sxtb16(x), x1 = edgec_sxtb16_ror8(x), y0 = edgec_sxtb16(y), y1 = edgec_sxtb16_ror8(y);
        at[0] = edgec_pkhbt(x0, y0);
        at[pairs] = edgec_pkhbt(x1, y1);
        at[2 * pairs] = edgec_pkhtb(x0, y0);
        at[3 * pairs] = edgec_pkhtb(x1, y1);
    }
}

/* All channels of one output row, four at a time; the last four may repeat some of the four before, with equal results. */
EDGEC_SHARED void edgec_dw_run(const edgec_dw_t *dw, edgec_dw_row_t *row, const int8_t *const *rows, int8_t *out, uint32_t *scratch,
                               edgec_dw_outputs *run)
{
    const int channels = dw->channels, pairs = (dw->kernel_h + 1) / 2, words = (dw->kernel_w * pairs + 1) / 2 * 2;
    const int span = (dw->out - 1) * dw->stride + dw->kernel_w;
    const int inner = dw->pad + dw->size < span ? dw->size : span - dw->pad;
    uint32_t *const wide = scratch + 4 * words;
    const int8_t zero = (int8_t)dw->zx, padding[4] = { zero, zero, zero, zero };
    for (int x = 0; x < span; ++x) { /* columns beside the image */
        for (int i = 0; i < 4 * pairs && (x < dw->pad || x >= dw->pad + inner); ++i) {
            wide[4 * pairs * x + i] = ((uint32_t)dw->zx & 0xffffu) | (uint32_t)dw->zx << 16;
        }
    }
    for (int c = 0; c < channels; c = c + 4 < channels && c + 8 > channels ? channels - 4 : c + 4) {
        for (int j = 0; j < pairs; ++j) {
            const int8_t *at[2];
            int32_t steps[2];
            for (int k = 0; k < 2; ++k) {
                const int8_t *const x = 2 * j + k < dw->kernel_h ? rows[2 * j + k] : NULL;
                at[k] = x != NULL ? x + c : padding;
                steps[k] = x != NULL ? channels : 0;
            }
            edgec_dw_pack(wide + dw->pad * 4 * pairs + j, at, steps, inner, pairs);
        }
        edgec_widen1(scratch, dw->weight + c * 2 * words, 8 * words);
        row->bias = dw->bias + c;
        row->mult = dw->mult + c;
        run(wide, scratch, out + c, row);
    }
}
