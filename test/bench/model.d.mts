/** The published configuration of a model family member, as far as quantizing depends on it. */
export interface Shape {
  readonly layers: number;
  readonly embedding: number;
  readonly feedForward: number;
  readonly heads: number;
  readonly headsKv: number;
  readonly vocabulary: number;
}
export function shapeNamed(text: string): Shape;
/** Bytes written. */
export function writeModel(file: string, shape: Shape, seed?: number): number;
/** Bytes written. */
export function writeImatrix(file: string, shape: Shape, seed?: number): number;
