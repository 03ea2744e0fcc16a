/** What is needed of a tree-sitter node; `Node` of web-tree-sitter fits. Indices count UTF-16 units. */
export interface SyntaxNode {
  readonly type: string;
  readonly startIndex: number;
  readonly endIndex: number;
  readonly isError: boolean;
  readonly isMissing: boolean;
  /** An error or missing node is somewhere below, or this is one. */
  readonly hasError: boolean;
  readonly children: readonly SyntaxNode[];
}
