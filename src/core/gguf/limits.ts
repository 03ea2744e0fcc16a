// Every number that a GGUF file may not exceed here, with the reason. A limit is either llama.cpp's own, so that a file
// that passes can be loaded there, or it keeps the memory and time of reading ANY file bounded: under 200 MB and a second
// or two, whatever the file claims.

/** llama.cpp (`GGUF_MAX_STRING_LENGTH`): 1 GiB. */
export const MAX_STRING_BYTES = 2 ** 30;
/** llama.cpp (`GGUF_MAX_ARRAY_ELEMENTS`): 2^30. */
export const MAX_ARRAY_ELEMENTS = 2 ** 30;
/** ggml (`GGML_MAX_DIMS`). */
export const MAX_DIMENSIONS = 4;
/** ggml (`GGML_MAX_NAME`): 64 bytes with the terminating zero. Longer names are read here, with a warning. */
export const MAX_TENSOR_NAME_BYTES = 63;
/** The specification: a key has at most 2^16 - 1 bytes. */
export const MAX_KEY_BYTES = 2 ** 16 - 1;
/** ggml (`GGUF_DEFAULT_ALIGNMENT`): used when `general.alignment` is absent, and for everything we write. */
export const DEFAULT_ALIGNMENT = 32;

/** Models have 20 to 60 entries; merged ones with training logs a few hundred. An entry with an array costs up to 3 kB here. */
export const MAX_METADATA_ENTRIES = 2 ** 14;
/** The largest models have about 2,000 tensors, unfused mixtures of experts 50,000. A tensor costs about 1.5 kB here. */
export const MAX_TENSORS = 2 ** 16;
/**
 * Bytes of a header that are looked at. The headers with the largest vocabularies (256,000 tokens and their merges) have
 * about 20 MB. 256 MiB take a second or two.
 */
export const MAX_SCANNED_BYTES = 2 ** 28;
/**
 * All arrays of numbers of a header, in bytes. They are jumped over and cost nothing here, but no header is longer than
 * what is looked at of one; token types and scores of 256,000 tokens have 2 MB.
 */
export const MAX_NUMBERS_BYTES = MAX_SCANNED_BYTES;
/** Strings up to this length are kept whole in the description; the longest chat templates have about 50 kB. */
export const MAX_KEPT_STRING_BYTES = 2 ** 20;
/** What is kept of a longer string, and of a string inside an array's head. */
export const STRING_PREVIEW_BYTES = 4096;
/** All text kept for one file. When it is used up, further values are cut to `TEXT_CUT_BYTES`. */
export const MAX_KEPT_TEXT_BYTES = 2 ** 24;
export const TEXT_CUT_BYTES = 64;
/** A key or tensor name is kept up to this length; no real one comes near. */
export const MAX_KEPT_NAME_BYTES = 256;
/** Names up to this length are compared by all of their bytes; longer than any key may be, they count as different. */
export const MAX_COMPARED_NAME_BYTES = MAX_KEY_BYTES;
/** First elements of an array that are kept in the description. */
export const DEFAULT_ARRAY_HEAD = 64;
/** Distance of the offsets kept for a string array: a page starts after at most this many strings are walked over. */
export const STRING_INDEX_STRIDE = 256;
/** Problems reported one by one per code; the rest are counted. */
export const MAX_PROBLEMS_PER_CODE = 16;
