import { createHash } from 'node:crypto'
import { foldRows } from '../../contract/fold-rows.ts'
import { type Incident, plainLine, type SeriesGap, type TimelineItem } from '../../contract/index.ts'
import { durationWords } from '../../contract/words.ts'

export interface ExportMaterial {
  incident: Incident
  /** In order, not folded. */
  items: readonly TimelineItem[]
  gaps: readonly SeriesGap[]
  from: string
  to: string
  exportedAt: string
  /** Address of the pages in browsers, so that links work wherever the file goes; without it they are paths. */
  url?: string
}

/** A post-mortem to go on writing: milestones, impact, the folded timeline, links back to the evidence. */
export const exportMarkdown = (material: ExportMaterial): string => {
  const { incident, url = '' } = material
  const pages = url.replace(/\/+$/, '')
  const started = Date.parse(incident.startedAt)
  const milestone = (name: string, at: string | undefined, by?: string): string =>
    at === undefined
      ? `| ${name} | – | – |`
      : `| ${name} | ${at} | ${durationWords(Date.parse(at) - started)}${by ? `, by ${cell(by)}` : ''} |`
  const rows = foldRows(material.items)
  const notes = material.items.filter((item) => item.kind === 'note')
  const events = new URLSearchParams({ from: material.from, to: material.to })
  const lines = [
    `# ${text(incident.title)}`,
    '',
    `Severity **${incident.severity}**, state **${incident.state}**. Regions: ${incident.regions.map(text).join(', ')}. Nodes: ${incident.nodes.map(text).join(', ') || '–'}.`,
    '',
    '## Impact',
    '',
    text(incident.impact ?? 'Not measured.'),
    '',
    '## Milestones',
    '',
    '| milestone | at (UTC) | after the start |',
    '| --- | --- | --- |',
    milestone('started', incident.startedAt),
    milestone('detected', incident.detectedAt),
    milestone('acknowledged', incident.acknowledgedAt, incident.acknowledgedBy),
    milestone('mitigated', incident.mitigatedAt),
    milestone('resolved', incident.resolvedAt),
    '',
    '## Signals',
    '',
    '| signal | scope | opened | closed | what was known |',
    '| --- | --- | --- | --- | --- |',
    ...incident.signals.map(
      (signal) =>
        `| ${cell(signal.kind)} | ${cell(signal.scope)} | ${signal.openedAt} | ${signal.closedAt ?? 'still open'} | ${cell(signal.sentence)} |`,
    ),
    '',
    '## Timeline',
    '',
    '| at (UTC) | kind | source | what |',
    '| --- | --- | --- | --- |',
    ...rows.map((row) => `| ${row.at} | ${row.kind} | ${cell(row.source)} | ${cell(row.title)} |`),
    '',
  ]
  if (notes.length > 0) {
    lines.push('## Notes', '')
    for (const note of notes) {
      const body = typeof note.data.text === 'string' ? note.data.text : note.title
      lines.push(
        `**${note.at}, ${text(note.source)}**`,
        '',
        ...body.split(/\r?\n/).map((line) => `> ${text(line)}`),
        '',
      )
    }
  }
  lines.push('## What is not known', '')
  if (material.gaps.length === 0) lines.push('No gaps were recorded in this time.', '')
  for (const gap of material.gaps) {
    const span = `${new Date(gap.from).toISOString()} – ${new Date(gap.to).toISOString()}`
    lines.push(`- ${span}: ${text(gap.reason)}${gap.node ? ` (${text(gap.node)})` : ''}`)
  }
  lines.push(
    '',
    '## Evidence',
    '',
    `- [Incident with charts](${pages}/incidents/${encodeURIComponent(incident.id)})`,
    `- [All events of this time](${pages}/events?${events})`,
    ...incident.drains.map((id) => `- [Drain ${text(id)}](${pages}/drains/${encodeURIComponent(id)})`),
    '',
    `Exported ${material.exportedAt}.`,
    '',
  )
  return lines.join('\n')
}

/** The complete record. `sha256` is over the canonical form of everything else: keys sorted, no white space. */
export const exportJson = (material: ExportMaterial): string => {
  const record = {
    format: 'tidegate.incident',
    version: 1,
    exportedAt: material.exportedAt,
    from: material.from,
    to: material.to,
    incident: material.incident,
    items: material.items,
    gaps: material.gaps,
  }
  const sha256 = createHash('sha256').update(canonicalJson(record)).digest('hex')
  return `${JSON.stringify({ ...record, sha256 }, null, 2)}\n`
}

/** JSON with sorted keys and without white space, so that equal records have equal bytes. */
export const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map((entry) => canonicalJson(entry ?? null)).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value)
      .filter(([, entry]) => entry !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, entry]) => `${JSON.stringify(key)}:${canonicalJson(entry)}`)
    return `{${fields.join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}

/** Text that somebody else wrote, so that it stays text: nothing in it formats, links or breaks a table. */
const text = (raw: string): string =>
  plainLine(raw)
    .replace(/[\\`*_{}[\]()#+!|~]/g, '\\$&')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
const cell = text
