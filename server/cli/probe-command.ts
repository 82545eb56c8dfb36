import type { NodeProbeAnswer } from '../contract/answers/node-probe.ts'
import type { NodeTable } from '../contract/answers/node-table.ts'
import { durationWords } from '../contract/words.ts'
import { EXIT } from './exit-codes.ts'
import { answer, table } from './output.ts'

/** Values of an answer that are listed for people; `--json` has them all. */
const MAX_LISTED = 40

/** Prints what was understood of a system; exit code 1 where nothing was. */
export const printProbe = (found: NodeProbeAnswer, json: boolean): number => {
  answer(json, found, () => probeText(found))
  return found.understood.length > 0 ? EXIT.ok : EXIT.failed
}

const probeText = (found: NodeProbeAnswer): string => {
  const { kind, guesses, reading, understood, notUnderstood, problems, choices, tables, verbs, entry } = found
  const preset = guesses[0]?.preset
  const parts: string[] = []
  const [best, ...others] = guesses
  if (best)
    parts.push(`It looks like ${best.kind}${preset === undefined ? '' : ` (${preset})`}: ${best.why}.`)
  for (const other of others)
    parts.push(`It could also be ${other.kind}: ${other.why}. Try it with --kind ${other.kind}`)
  if (kind === null && (reading === null || reading.status !== null))
    parts.push('Nothing was recognised; name its kind with --kind.')
  if (reading)
    parts.push(
      reading.outcome === 'ok'
        ? `Answered in ${Math.round(reading.durationMs)} ms`
        : `No good answer within ${Math.round(reading.durationMs)} ms, ${reading.outcome}: ${reading.reason}`,
    )
  if (understood.length > 0)
    parts.push(
      `\nUnderstood:\n${table(
        ['name', 'value', 'unit'],
        understood.map(({ name, value, unit }) => [name, String(value), unit]),
      )}`,
    )
  // Why there is no answer stands above already.
  const unread = notUnderstood.filter((each) => each !== reading?.reason)
  if (unread.length > 0) parts.push(`\nNot understood:\n${unread.map((each) => `  ${each}`).join('\n')}`)
  if (problems.length > 0) parts.push(`\nIts problems:\n${problems.map((each) => `  ${each}`).join('\n')}`)
  for (const each of tables) parts.push(tableText(each))
  if (choices.length > 0) {
    const more = choices.length - MAX_LISTED
    parts.push(
      `\nCould be mapped:\n${table(
        ['at', 'value', 'probably'],
        choices.slice(0, MAX_LISTED).map(({ at, value, suggestion }) => [at, String(value), suggestion]),
      )}${more > 0 ? `\n  and ${more} more (--json lists them all)` : ''}`,
    )
  }
  if (choices.length > 0 && understood.length === 0)
    parts.push(
      `\nNothing of it is mapped yet: add map: { NAME: … } to the entry, with what stands under "at".`,
    )
  if (kind !== null) parts.push(`\nDrain: ${verbs.words}`)
  if (entry !== '') parts.push(`\nThe entry for \`nodes\` of tidegate.yaml:\n\n${entry}`)
  return parts.join('\n')
}

/** Rows of a table that are listed for people. */
const MAX_ROWS = 20

const tableText = ({ title, columns, rows, total }: NodeTable): string => {
  const shown = rows
    .slice(0, MAX_ROWS)
    .map((row) => columns.map(({ key, cell }) => cellText(cell, row[key] ?? null)))
  const more = total - shown.length
  const text =
    shown.length === 0
      ? '  none'
      : table(
          columns.map(({ label }) => label),
          shown,
        )
  return `\n${title}:\n${text}${more > 0 ? `\n  and ${more} more` : ''}`
}

const cellText = (
  kind: NodeTable['columns'][number]['cell'],
  cell: NodeTable['rows'][number][string],
): string | number | null => {
  if (typeof cell === 'object') return cell?.word ?? null
  if (typeof cell === 'string') return cell
  if (kind === 'duration') return durationWords(cell)
  return kind === 'time' ? new Date(cell).toISOString() : cell
}
