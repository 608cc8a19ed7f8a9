/* dsp_depthwise_four: 3x3 depthwise kernels unrolled by columns; four output rows share three row pairs.
 * Packed: [columns][4 channels][3] words, rows 0 and 1, 2 and 3, 4 and 5 of the band. */

/* clang-format off */
EDGEC_DW3_PACK2(edgec_dw3_pack2_of_three, 12)
/* clang-format on */

/* n output rows: four at a time, the rest as kernels that are not unrolled make them. */
EDGEC_SHARED void edgec_dw3_run_fours(const edgec_dw3_t *dw, const int8_t *const *rows, int8_t *out, void *scratch, int n, edgec_dw3_rows *one,
                                      edgec_dw3_rows *two, edgec_dw3_rows *four)
{
    const int8_t *at[6];
    int step[6];
    for (; n >= 4; n -= 4, rows += 4, out += 4 * dw->out * dw->channels) {
        edgec_dw3_channels(dw, rows, out, scratch, 4, 3, at, step, edgec_dw3_pack2_of_three, four);
    }
    edgec_dw3_run(dw, rows, out, scratch, n, one, two);
}
