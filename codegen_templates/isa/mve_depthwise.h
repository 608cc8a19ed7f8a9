{% set name = "edgec_mve_depthwise_%d%d%d_s%d_t%d%s%s" % (two, pair, cells, step, tail, "m" if masked else "", "l" if left else "") %}
{# Four results of one channel: two of two rows (two), or four of one row.  a window of 4 columns by 4 rows is one gathered load. #}
{% macro body(predicated) %}
{% if two %}
        "vldrw.u32 q4, [q7, #{{ step }}]!\n"
        "vmladav.s8 r0, q4, q0\n" "vmladav.s8 r2, q4, q1\n" "vmladav.s8 r4, q4, q2\n" "vmladav.s8 r6, q4, q3\n"
        "vmov q4[2], q4[0], r0, r4\n" "vmov q4[3], q4[1], r2, r6\n"
{% elif pair %}
        "vldrw.u32 q4, [q7, #{{ step }}]!\n" "vmladav.s8 r0, q4, q0\n" "vmladav.s8 r2, q4, q2\n"
        "vldrw.u32 q4, [q7, #{{ step }}]!\n" "vmladav.s8 r4, q4, q0\n" "vmladav.s8 r6, q4, q2\n"
        "vmov q4[2], q4[0], r0, r4\n" "vmov q4[3], q4[1], r2, r6\n"
{% elif cells == 1 %}
{% for acc in ["r0", "r2", "r4", "r6"] %}
        "vldrw.u32 q4, [q7, #{{ step }}]!\n" "vmladav.s8 {{ acc }}, q4, q0\n"
{% endfor %}
        "vmov q4[2], q4[0], r0, r4\n" "vmov q4[3], q4[1], r2, r6\n"
{% else %}
        "ldr r0, [sp, #20]\n" "str r7, [sp, #24]\n" "mov r7, r0\n"
{% for acc in ["r0", "r2", "r4", "r6"] %}
{% for cell in range(cells) %}
        "vldrw.u32 q4, [q7, #{{ reach[cells][tall][cell] }}]\n" "vmladav{{ "a" if cell }}.s8 {{ acc }}, q4, q{{ cell }}\n"
{% endfor %}
        "vadd.i32 q7, q7, r7\n"
{% endfor %}
        "ldr r7, [sp, #24]\n"
        "vmov q4[2], q4[0], r0, r4\n" "vmov q4[3], q4[1], r2, r6\n"
{% endif %}
        "vadd.i32 q4, q4, r1\n"
{% if left %}
        "vshl.s32 q4, r10\n"
{% endif %}
        "vqdmlash.s32 q4, q6, r3\n" "vshl.s32 q4, r5\n" "vqmovnb.s32 q4, q4\n" "vqmovnb.s16 q4, q4\n"
{% if predicated %}
        "vpst\n" "vstrbt.32 q4, [r7, q5]\n"
{% else %}
        "vstrb.32 q4, [r7, q5]\n"
{% endif %}
        "add r7, r7, r11\n"
{% endmacro %}
{% set reach = {1: {0: [0]}, 2: {0: [0, 256], 1: [0, 64]}, 4: {1: [-128, -64, 384, 448]}} %}
/* Depthwise windows of d->channels channels: {{ "two columns by two rows" if two else "four columns" }} of results at a time, {{ "one gathered load for all" if two else "%d gathered loads each" % cells if not pair else "one gathered load for two" }}.
 * Columns: [channel of 16][4 input rows] int8, {{ 128 if tall else 64 }} bytes{{ ", eight rows in two such planes" if tall }}; d->columns: where the first window's four columns lie.
 * Stream of a channel: {{ "3 columns of 4 taps, int32 bias, int32 m" if cells == 1 and not four else "4 columns of 4 taps, %d times, int32 bias, int32 m" % cells }}.  {{ tail }} results beside whole groups{{ ", rows masked by d->mask" if masked }}. */
#if EDGEC_MVE_ASM
/* clang-format off */
/* Frame: 0 count, 4 rewind, 8 left, 12 mask, 16 tail mask, 20 next, 24 r7. */
EDGEC_MVE_NAKED void {{ name }}{{ "f" if four }}{{ "h" if tall }}(EDGEC_MVE_ARG const edgec_mve_depthwise_t *d)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n" "vpush {d8-d15}\n" "sub sp, sp, #28\n"
        "vldrw.u32 q7, [r0, #52]\n" "vldrw.u32 q5, [r0, #68]\n"
        "ldrd r9, r7, [r0]\n" "ldrd r12, r4, [r0, #8]\n" "ldr r6, [r0, #16]\n" "strd r4, r6, [sp]\n"
        "ldrd r11, r8, [r0, #20]\n" "ldrd r3, r5, [r0, #28]\n" "ldrd r4, r6, [r0, #36]\n" "strd r4, r6, [sp, #8]\n"
        "ldrd r4, r1, [r0, #44]\n" "strd r4, r1, [sp, #16]\n"
        "vmsr p0, {{ "r6" if masked else "r4" }}\n" "mov r10, #0\n"
        "1:\n"
{% if cells == 1 and not four %}
        "vldrw.u32 q0, [r9], #16\n" "ldr r4, [r9], #4\n" "vmov.32 r1, q0[3]\n" "vmov.32 q0[3], r10\n"
{% else %}
{% for cell in range(cells) %}
        "vldrw.u32 q{{ cell }}, [r9], #16\n"
{% endfor %}
        "ldrd r1, r4, [r9], #8\n"
{% endif %}
        "vdup.32 q6, r4\n"
{% if two %}
        "vshl.i32 q1, q0, #8\n"
{% endif %}
{% if two or pair %}
        "vmov q2, q0\n" "vshlc q2, r10, #32\n"
{% endif %}
{% if two %}
        "vshl.i32 q3, q2, #8\n"
{% endif %}
{% if left %}
        "ldr r10, [sp, #8]\n"
{% endif %}
        "ldr r4, [sp]\n" "wls lr, r4, 3f\n"
        "2:\n"
{{ body(masked) }}
        "le lr, 2b\n"
        "3:\n"
{% if tail %}
{% if masked %}
        "ldr r4, [sp, #16]\n" "vmsr p0, r4\n"
{% endif %}
{{ body(1) }}
{% if masked %}
        "ldr r4, [sp, #12]\n" "vmsr p0, r4\n"
{% endif %}
{% endif %}
        "ldr r4, [sp, #4]\n" "vsub.i32 q7, q7, r4\n" "sub r7, r7, r8\n"
{% if left %}
        "mov r10, #0\n"
{% endif %}
        "subs r12, r12, #1\n" "bne 1b\n"
        "add sp, sp, #28\n" "vpop {d8-d15}\n" "pop {r4-r11, pc}\n");
}
/* clang-format on */
#endif
