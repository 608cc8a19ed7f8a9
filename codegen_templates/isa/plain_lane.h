/* ---- depthwise, one channel at a time ---- */

typedef struct {
    int32_t shift, m, round, pitch; /* pitch: from output to output */
    int8_t *out;
    int32_t bias, blocks, rest, row; /* outputs: 4 * blocks + rest; row: bytes of a staged row */
} edgec_lane_t;

/* `some` of four channels of `columns` pixels that start `pad` left of the image, [columns][4], zero points outside it; every byte with `flip`.
 * from: those channels of the first pixel, NULL where the whole row is padding; pitch: bytes from pixel to pixel. */
EDGEC_SHARED void edgec_lane_stage(uint8_t *to, const int8_t *from, int columns, int pad, int size, int pitch, int some, uint32_t zero, uint32_t flip)
{
    const int inner = from == NULL ? 0 : pad + size < columns ? size : columns - pad;
    const int before = from == NULL || pad > columns ? columns : pad;
    uint32_t *word = (uint32_t *)(void *)to;
    uint32_t *const start = word + before, *const stop = start + (inner > 0 ? inner : 0), *const end = word + columns;
    for (zero ^= flip; word != start; ++word) {
        *word = zero;
    }
#if EDGEC_THUMB2_ASM || EDGEC_V6M_ASM
{% if small %}
    if (some == 4 && (((uint32_t)from | (uint32_t)pitch) & 3u) == 0) {
{% else %}
    if (some == 4) {
{% endif %}
        for (; word != stop; ++word, from += pitch) {
            uint32_t four;
            __asm__("ldr %0, %1" : "=r"(four) : "m"(*(const int8_t(*)[4])from));
            *word = four ^ flip;
        }
    }
#endif
    for (; word != stop; ++word, from += pitch) {
        uint32_t four = 0;
        for (int i = 0; i < some; ++i) {
            four |= (uint32_t)(uint8_t)from[i] << 8 * i;
        }
        *word = four ^ flip;
    }
    for (; word != end; ++word) {
        *word = zero;
    }
}
