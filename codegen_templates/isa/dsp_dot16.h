/* acc[j] += sum over k < 4 * fours of x[k] * w[j][k], for four channels j.  w: for every four inputs the bytes of each channel in turn,
 * in the order 0 2 1 3, so that SXTB16 gives the pairs (0,1) and (2,3) in which int16 inputs lie.  No partial sum leaves int32. */
static inline void edgec_dot16_1x4(const int16_t *x, const int8_t *w, int fours, int32_t acc[4])
{
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    for (const int16_t *const end = x + 4 * fours; x < end; x += 4, w += 16) {
        const uint32_t low = edgec_load4((const int8_t *)x), high = edgec_load4((const int8_t *)(x + 2));
        uint32_t word = edgec_load4(w);
        a0 = edgec_smlad(high, edgec_sxtb16_ror8(word), edgec_smlad(low, edgec_sxtb16(word), a0));
        word = edgec_load4(w + 4);
        a1 = edgec_smlad(high, edgec_sxtb16_ror8(word), edgec_smlad(low, edgec_sxtb16(word), a1));
        word = edgec_load4(w + 8);
        a2 = edgec_smlad(high, edgec_sxtb16_ror8(word), edgec_smlad(low, edgec_sxtb16(word), a2));
        word = edgec_load4(w + 12);
        a3 = edgec_smlad(high, edgec_sxtb16_ror8(word), edgec_smlad(low, edgec_sxtb16(word), a3));
    }
    acc[0] = a0, acc[1] = a1, acc[2] = a2, acc[3] = a3;
}
