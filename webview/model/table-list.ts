/** The rows that a table view shows, and one line about them; `error` says what is wrong with the query. */
export interface TableList<Row> {
  readonly rows: readonly Row[];
  readonly summary: string;
  readonly error?: string;
}
