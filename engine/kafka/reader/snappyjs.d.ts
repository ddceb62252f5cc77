/** snappyjs brings no types (https://github.com/zhipeng-jia/snappyjs). */
declare module 'snappyjs' {
  /** One block in Snappy's raw format. Throws for malformed input. */
  export function uncompress(compressed: Uint8Array, maxLength?: number): Uint8Array;
}
