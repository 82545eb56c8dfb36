/** Prints rows as aligned columns; numbers to the right. */
export const table = (
  headings: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string => {
  const cells = [headings, ...rows.map((row) => row.map((cell) => (cell === null ? '–' : String(cell))))]
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const isNumber = headings.map(
    (_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'),
  )
  return cells
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0
          return isNumber[column] ? cell.padStart(width) : cell.padEnd(width)
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export const print = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

/** Either the object as JSON, or the text for people. */
export const answer = (json: boolean, object: unknown, text: () => string): void => {
  print(json ? JSON.stringify(object, null, 2) : text())
}
