import type { z } from 'zod'
import { SIGNAL_RULES } from './registry.ts'
import type { SignalRule } from './rule.ts'
import { fieldsOf } from './threshold.ts'

/** Words of the table; a bar would end its cell. */
const row = (...cells: string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`

const spanOf = (range: z.ZodNumber): string => {
  const least = range.minValue ?? Number.NEGATIVE_INFINITY
  return `${range.safeParse(least).success ? '' : 'above '}${least} to ${range.maxValue}`
}

/** `docs/signals.md`, from the rules. */
export const signalsDocument = (rules: readonly SignalRule[] = SIGNAL_RULES): string => {
  const signals = rules.map((rule) => {
    const words = rule.words(rule.thresholds.parse({}))
    const { opens, closes, severity, why } = words
    return {
      notes: words.notes,
      row: row(`\`${rule.kind}\``, `\`${rule.of}:ID\``, opens, closes, severity, why),
    }
  })
  const thresholds = rules.flatMap((rule) =>
    fieldsOf(rule.thresholds).map(({ name, standard, range, text }) =>
      row(`\`${rule.kind}.${name}\``, String(standard), text.unit, spanOf(range), text.description),
    ),
  )
  return `<!-- Made from the rules in server/collector/signals by \`npm run docs\`; edit those. -->

# Signals

A signal is a condition that holds now. It opens by one rule, closes by another, and says in a sentence what is known. Each rule is
one file in \`server/collector/signals/\`, a pure function with a table of tests, and is asked once a second. The numbers here are the defaults.

| signal | scope | opens when | closes when | severity | why |
| --- | --- | --- | --- | --- | --- |
${signals.map((signal) => signal.row).join('\n')}

What is left out on purpose:

${signals.flatMap((signal) => signal.notes.map((note) => `- ${note}`)).join('\n')}

## Thresholds

Under \`detect\` in \`tidegate.yaml\`; what is left out keeps its default.

| field | default | unit | from, to | meaning |
| --- | --- | --- | --- | --- |
${thresholds.join('\n')}

One region or one node may have its own, under its id; what is left out there is as it is for all. A node's own come before its region's, field
by field. A signal of a region has none for a node.

\`\`\`yaml
detect:
  push.stuck: { received: 50 }
  regions:
    fra: { tunnel.storm: { share: 0.5 } }
  nodes:
    fra-1: { push.stuck: { withinSeconds: 120 }, node.down: { fall: 5 } }
\`\`\`

## From signals to incidents

A new signal joins the unresolved incident of the same node; else that of the same region whose last change is at most 60 s old; else
one with the same signal that was resolved at most 15 min ago, which is then reopened; else it opens an incident of its own. An
incident resolves itself when all its signals have been closed for 60 s. An operator may resolve it earlier: its signals then stay
quiet until their condition has ended once, also over a restart of the collector. A title that an operator wrote stays.

A signal is open in one incident at a time. The store itself sees to that, also where two collectors notice it in the same moment: the one
that comes second takes up the incident of the first.
`
}
