/* Weights may be flashed apart from code (`edgec flash --only weights`): are those in flash whole, and this code's? */
#ifndef EDGEC_WEIGHTS_H
#define EDGEC_WEIGHTS_H

/* NULL when they are; otherwise the line that says what is wrong.  Looked at once, at the first call. */
const char *weights_fault(void);

#endif
