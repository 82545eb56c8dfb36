import { References } from '../config/references.ts'
import type { NodeProbeAnswer } from '../contract/answers/node-probe.ts'
import type { NodeTable } from '../contract/answers/node-table.ts'
import { AppError, type Problem } from '../contract/errors.ts'
import { wantedWords } from '../contract/wanted-words.ts'
import { whereOf } from '../contract/where.ts'
import { durationWords } from '../contract/words.ts'
import { EXIT } from './exit-codes.ts'
import { answer, table } from './output.ts'

/** How many values of an answer are listed for people; `--json` has them all. */
const MAX_LISTED = 40

/** What may be given about a system besides its address. */
export interface ProbeFlags {
  kind?: string
  preset?: string
  ca?: string
  cert?: string
  key?: string
  auth?: string
  token?: string
}

interface Secrets {
  token?: string
  auth?: { user: string; password: string }
}

/**
 * The request of a look, with references replaced from the environment and from files of the current folder; and its secrets as they were written,
 * for the entry. Throws `ERR_INVALID` where something is missing.
 */
export const probeRequest = (
  where: string,
  { kind, preset, ca, cert, key, auth, token }: ProbeFlags,
  env: Record<string, string | undefined>,
): { request: Record<string, unknown>; written: Secrets } => {
  const written: Secrets = {
    ...(token === undefined ? {} : { token }),
    ...(auth === undefined ? {} : { auth: authOf(auth) }),
  }
  const problems: Problem[] = []
  const secrets = new References(env, process.cwd()).replaceIn(written, problems) as Secrets
  const [problem] = problems
  if (problem !== undefined)
    throw new AppError('ERR_INVALID', `--${problem.path.split('.')[0]} ${problem.message}`, { problems })
  const flags = { kind, preset, ca, cert, key }
  const given = Object.entries(flags).filter(([, value]) => value !== undefined)
  return { request: { ...whereOf(where), ...Object.fromEntries(given), ...secrets }, written }
}

/** The first colon parts both: a user has none (RFC 7617). */
const authOf = (text: string): { user: string; password: string } => {
  const at = text.indexOf(':')
  if (at < 1)
    throw new AppError(
      'ERR_INVALID',
      "--auth is a user and a password with a colon between them, for example 'ops:${STATUS_PASSWORD}'",
    )
  return { user: text.slice(0, at), password: text.slice(at + 1) }
}

/** Prints what was understood of a system; exit code 1 where nothing was. */
export const printProbe = (found: NodeProbeAnswer, json: boolean): number => {
  answer(json, found, () => probeText(found))
  return found.understood.length > 0 ? EXIT.ok : EXIT.failed
}

const probeText = (found: NodeProbeAnswer): string => {
  const { kind, guesses, reading, understood, notUnderstood, problems, choices, tables, verbs, entry } = found
  const preset = guesses[0]?.preset
  const parts: string[] = []
  const wanted = wantedWords(found, {
    password: "--auth 'USER:${PASSWORD}'",
    certificate: '--cert FILE and --key FILE',
  })
  if (wanted !== null) parts.push(wanted)
  const [best, ...others] = guesses
  if (best)
    parts.push(`It looks like ${best.kind}${preset === undefined ? '' : ` (${preset})`}: ${best.why}.`)
  for (const other of others)
    parts.push(`It could also be ${other.kind}: ${other.why}. Try it with --kind ${other.kind}`)
  if (wanted === null && kind === null && (reading === null || reading.status !== null))
    parts.push('Nothing was recognised; name its kind with --kind.')
  if (reading)
    parts.push(
      reading.outcome === 'ok'
        ? `Answered in ${Math.round(reading.durationMs)} ms`
        : `No good answer after ${Math.round(reading.durationMs)} ms, ${reading.outcome}: ${reading.reason}`,
    )
  if (understood.length > 0)
    parts.push(
      `\nUnderstood:\n${table(
        ['name', 'value', 'unit', 'what'],
        understood.map(({ name, value, unit, label }) => [name, String(value), unit, label]),
      )}`,
    )
  // The lines above already say why there is no answer.
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
    parts.push(`\nNone of it is mapped yet: add map: { NAME: … } to the entry, with the text under "at".`)
  if (kind !== null) parts.push(`\nDrain: ${verbs.words}`)
  if (entry !== '') parts.push(`\nThe entry for \`nodes\` of tidegate.yaml:\n\n${entry}`)
  return parts.join('\n')
}

/** How many rows of a table are listed for people. */
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
