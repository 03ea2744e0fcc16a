// What to do about a header that nobody could have meant: the same words wherever that is noticed.

/** Bytes are missing, or a number claims more than there is. */
export const TRUNCATED = 'The download or copy stopped early, or the header is damaged: fetch the file again.';
/** No tool writes such a header, so something happened to it, or to the tool. */
export const DAMAGED = 'The header is damaged: fetch the file again, or convert the model again.';
/** Too much of something, though the file could hold it. */
export const IMPLAUSIBLE = 'No known model has as many: the header is most likely damaged. Fetch the file again.';
/** What llama.cpp refuses and a tool got wrong. */
export const REFUSED = 'llama.cpp refuses the file: convert the model again, with a newer tool.';
/** Nothing is wrong with what the model computes. */
export const INVALID_UTF8 = 'It is shown with U+FFFD where bytes are wrong, and copied as it is.';
