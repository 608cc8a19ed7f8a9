#if EDGEC_MVE_ASM
/* {{ rows }} rows of `channels` (1..16) side by side: to[column][channel of 16][4 rows]{{ ", what lies in the other rows is left open" if rows < 4 }}.
 * d->from go on by 16 channels, those of the padding too. */
/* clang-format off */
EDGEC_MVE_NAKED void edgec_mve_interleave{{ rows }}(EDGEC_MVE_ARG edgec_mve_interleave_t *d, EDGEC_MVE_ARG int channels)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n" "vctp.8 r1\n" "mov r12, r0\n" "ldm r0, {r0-r10}\n" "wls lr, r10, 2f\n"
        "1:\n"
        "vpst{{ "t" * (rows - 1) }}\n"
{% for row in range(rows) %}
        "vldrbt.u8 q{{ row }}, [r{{ row }}]\n"
{% endfor %}
{% for row in range(rows) %}
        "add r{{ row }}, r{{ row }}, r{{ row + 4 }}\n"
{% endfor %}
{% for part in range(4) %}
        "vst4{{ part }}.8 {q0, q1, q2, q3}, [r8]\n"
{% endfor %}
        "add r8, r8, r9\n" "le lr, 1b\n"
        "2:\n"
        "ldm r12, {r0-r3}\n" "add r0, r0, #16\n" "add r1, r1, #16\n" "add r2, r2, #16\n" "add r3, r3, #16\n" "stm r12, {r0-r3}\n"
        "pop {r4-r11, pc}\n");
}
/* clang-format on */
#endif
