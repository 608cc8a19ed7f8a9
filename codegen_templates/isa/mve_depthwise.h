{# form: suffix of the function; two, pair: see below; cells: gathered loads of a window; step: bytes that one advances by;
   tail: results of a row beside whole groups; masked: stores are predicated; four: four columns of taps; tall: eight rows;
   unroll: results of a short row, written out, whose columns are `advance` bytes apart. #}
{% set quad = cells == 1 and not two and not pair %}
{% set taps = 4 if four else 3 %}
{# Four results of one channel: two of two rows (two), or four of one row.  a window of 4 columns by 4 rows is one gathered load. #}
{% macro body(predicated, at=0) %}
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
        "vldrw.u32 q4, [q7, #{{ at + loop.index0 * 4 }}]\n" "vmladav.s8 {{ acc }}, q4, q{{ loop.index0 }}\n"
{% endfor %}
        {{ '"vadd.i32 q7, q7, r8\\n" ' if not unroll }}"vmov q4[2], q4[0], r0, r4\n" "vmov q4[3], q4[1], r2, r6\n"
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
        "vadd.i32 q4, q4, {{ "q5" if quad else "r1" }}\n"
{% if left %}
        "vshl.s32 q4, r10\n"
{% endif %}
        "vqdmlash.s32 q4, q6, r3\n" "vshl.s32 q4, r5\n" "vqmovnb.s32 q4, q4\n" "vqmovnb.s16 q4, q4\n"
{% set to = "[r7]" if quad else "[r7, q5]" %}
{% if predicated %}
        "vpst\n" "vstrbt.32 q4, {{ to }}\n"
{% else %}
        "vstrb.32 q4, {{ to }}\n"
{% endif %}
        "add r7, r7, r11\n"
{% endmacro %}
{% set reach = {1: {0: [0]}, 2: {0: [0, 256], 1: [0, 64]}, 4: {1: [-128, -64, 384, 448]}} %}
/* Depthwise windows of d->channels channels, four results at a time:
{% if quad %}
 * one of four channels, a gathered load each; stream of four channels: {{ taps }} columns of 4 taps each, int32 bias[4], int32 m[4].
{% else %}
 * {{ "two of two rows, one gathered load for all" if two else "four of a row, one gathered load for two" if pair else "four of a row, %d gathered loads each" % cells }}; stream of a channel: {{ "3" if pair or two else 4 * cells }} columns of 4 taps, int32 bias, int32 m.
{% endif %}
 * Columns: [channel of 16][4 input rows] int8, {{ 128 if tall else 64 }} bytes{{ ", eight rows in two such planes" if tall }}; d->columns: where the first window's four columns lie{{ ", less %d" % step if step }}. */
#if EDGEC_MVE_ASM
/* clang-format off */
/* Frame: 0 count, 4 rewind, 8 left, 12 mask, 16 tail mask, 20 next, 24 r7. */
EDGEC_MVE_NAKED void edgec_mve_depthwise_{{ two }}{{ pair }}{{ cells }}_{{ step }}_{{ tail }}{{ masked }}{{ left }}{{ four }}{{ tall }}_{{ unroll }}_{{ advance }}(EDGEC_MVE_ARG const edgec_mve_depthwise_t *d)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n" "vpush {d8-d15}\n" "sub sp, sp, #28\n"
        "vldrw.u32 q7, [r0, #52]\n" "vldrw.u32 q5, [r0, #68]\n"
        "ldrd r9, r7, [r0]\n" "ldrd r12, r4, [r0, #8]\n" "ldr r6, [r0, #16]\n" "strd r4, r6, [sp]\n"
        "ldrd r11, r8, [r0, #20]\n" "ldrd r3, r5, [r0, #28]\n" "ldrd r4, r6, [r0, #36]\n" "strd r4, r6, [sp, #8]\n"
        "ldrd r4, r1, [r0, #44]\n" "strd r4, r1, [sp, #16]\n"
        "mov r10, #0\n"
{% if quad %}
        "mov r8, {{ "#16" if unroll else "r1" }}\n" "ldr r1, [r0, #24]\n"
{% else %}
        "vmsr p0, {{ "r6" if masked else "r4" }}\n"
{% endif %}
        "1:\n"
{% if quad %}
{% for channel in range(4) %}
        "vldrw.u32 q{{ channel }}, [r9, #{{ channel * 4 * taps }}]\n"{{ ' "vmov.32 q%d[3], r10\\n"' % channel if not four }}
{% endfor %}
        "vldrw.u32 q5, [r9, #{{ 16 * taps }}]\n" "vldrw.u32 q6, [r9, #{{ 16 * taps + 16 }}]\n" "add r9, r9, #{{ 16 * taps + 32 }}\n"
{% if masked %}
        "vctp.32 r12\n"
{% endif %}
{% elif cells == 1 and not four %}
        "vldrw.u32 q0, [r9], #16\n" "ldr r4, [r9], #4\n" "vmov.32 r1, q0[3]\n" "vmov.32 q0[3], r10\n"
{% else %}
{% for cell in range(cells) %}
        "vldrw.u32 q{{ cell }}, [r9], #16\n"
{% endfor %}
        "ldrd r1, r4, [r9], #8\n"
{% endif %}
{% if not quad %}
        "vdup.32 q6, r4\n"
{% endif %}
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
{% if unroll %}
{% for x in range(unroll) %}
{{ body(masked, x * advance) }}
{%- endfor %}
        "vadd.i32 q7, q7, r8\n" "sub r7, r7, r1\n"
{% else %}
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
        "ldr r4, [sp, #4]\n" "vsub.i32 q7, q7, r4\n" "sub r7, r7, {{ "r1" if quad else "r8" }}\n"
{% endif %}
{% if left %}
        "mov r10, #0\n"
{% endif %}
        "subs r12, r12, #{{ 4 if quad else 1 }}\n" "bgt 1b\n"
        "add sp, sp, #28\n" "vpop {d8-d15}\n" "pop {r4-r11, pc}\n");
}
/* clang-format on */
#endif
