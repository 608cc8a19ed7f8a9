/* Products of one tile and one output channel (36 words, 8 apart) -> `high` by `wide` int8. */
EDGEC_SHARED void edgec_wino4_output_{{ shift }}(const edgec_wino_t *w, const uint32_t *m, const int32_t *bias, int8_t *out, int high, int wide)
{
    uint32_t half[24];
    const int step = w->outputs, pitch = w->out * step;
    const int32_t start = bias[0], m2 = bias[1], round = w->round;
    for (int j = 0; j < 6; ++j, m += 8) {
        uint32_t m0 = m[0], m1 = m[48], m2_ = m[96], m3 = m[144];
        const uint32_t m4 = m[192], m5 = m[240];
        EDGEC_WINO_SUM(m0, m1, m2_, m3, m4, m5);
        half[j] = m0, half[6 + j] = m1, half[12 + j] = m2_, half[18 + j] = m3;
    }
    const uint32_t *h = half;
    for (int i = 0; i < high; ++i, out += pitch, h += 6) {
        uint32_t y0 = h[0], y1 = h[1], y2 = h[2], y3 = h[3];
        EDGEC_WINO_SUM(y0, y1, y2, y3, h[4], h[5]);
        int8_t *at = out;
#define EDGEC_WINO_ONE(y) *at = edgec_ssat8_asr(edgec_smmla(edgec_i32((y) + (uint32_t)start), m2, round), {{ shift }}), at += step
        EDGEC_WINO_ONE(y0);
        if (wide > 1) {
            EDGEC_WINO_ONE(y1);
        }
        if (wide > 2) {
            EDGEC_WINO_ONE(y2);
        }
        if (wide > 3) {
            EDGEC_WINO_ONE(y3);
        }
#undef EDGEC_WINO_ONE
    }
}
