/* RP2350: the block in the first 4 KB of flash that tells the boot ROM what this is: a program for the Arm cores, secure.
 * The vector table is taken from the start of the image, as the block names none.
 * Source: RP2350 datasheet, chapter Bootrom, "minimum viable image metadata". */
#include <stdint.h>

__attribute__((section(".boot"), used)) static const uint32_t image_def[5] = {
    0xFFFFDED3u, /* start of block */
    0x10210142u, /* item IMAGE_TYPE, one word: executable, secure, Arm, RP2350 */
    0x000001FFu, /* last item; the items before it are one word */
    0x00000000u, /* next block: this one */
    0xAB123579u, /* end of block */
};
