/* ---- one pixel by eight channels, and the last four in half the work ----
 * Their group of the stream comes last: start values and multipliers of eight channels, the first four of them empty, H words of the others. */
#if EDGEC_DSP_ASM
/* clang-format off */
EDGEC_DOT_CORE(edgec_dot_core_1x8_last, 2, "ldrd r2, r3, [r0], #8\n" EDGEC_MAC_1X8_LAST("r2") EDGEC_MAC_1X8_LAST("r3"), "")
/* clang-format on */
#define EDGEC_DOT_ENTER_1X8_LAST(dot) edgec_dot_enter(dot, edgec_dot_core_1x8_last, (dot)->fours, 2, 60, 0)
#else
#define EDGEC_DOT_ENTER_1X8_LAST(dot) (void)((dot)->entry = 2)
#endif

/* All `outputs` channels of one pixel, more than eight. */
EDGEC_SHARED void edgec_dot_1x8_tail(const edgec_dot_t *dot, const int32_t *stream, int8_t *out, int outputs, edgec_dot_one *one)
{
    const int32_t *const stop = stream + outputs / 8 * (dot->fours * 8 + 16);
    edgec_dot_t last = *dot;
    EDGEC_DOT_ENTER_1X8_LAST(&last);
    one(&last, stop, out + outputs - 8, stop + dot->fours * 4 + 16); /* eight, the first four of no meaning */
    one(dot, stream, out, stop);
}
