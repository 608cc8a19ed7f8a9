/* Products of one tile and one output channel (16 words, 8 apart) -> `high` by `wide` int8. */
EDGEC_SHARED void edgec_wino2_output_{{ shift }}(const edgec_wino_t *w, const uint32_t *m, const int32_t *bias, int8_t *out, int high, int wide)
{
    const int32_t m2 = bias[1], round = w->round;
    uint32_t m1 = m[32], m2_ = m[64];
    uint32_t y0 = m[0] + m1 + m2_, y2 = m1 - m2_ - m[96], y1, y3;
    m1 = m[40] + (uint32_t)bias[0], m2_ = m[72]; /* in all four sums once */
    y1 = m[8] + m1 + m2_, y3 = m1 - m2_ - m[104];
    y0 += y1, y2 += y3;
    m1 = m[48], m2_ = m[80];
    const uint32_t high2 = m[16] + m1 + m2_, low2 = m1 - m2_ - m[112];
    y0 += high2, y1 -= high2, y2 += low2, y3 -= low2;
    m1 = m[56], m2_ = m[88];
    y1 -= m[24] + m1 + m2_, y3 -= m1 - m2_ - m[120];
    const int step = w->outputs;
#define EDGEC_WINO_ONE(at, y) *(at) = edgec_ssat8_asr(edgec_smmla(edgec_i32(y), m2, round), {{ shift }})
    EDGEC_WINO_ONE(out, y0);
    if (wide > 1) {
        EDGEC_WINO_ONE(out + step, y1);
    }
    if (high > 1) {
        out += w->out * step;
        EDGEC_WINO_ONE(out, y2);
        if (wide > 1) {
            EDGEC_WINO_ONE(out + step, y3);
        }
    }
#undef EDGEC_WINO_ONE
}
