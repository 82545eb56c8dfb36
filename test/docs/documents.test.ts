import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { DETECT_DEFAULTS } from '../../server/collector/signals/rule.ts'
import { eventSentence } from '../../server/contract/event-sentence.ts'
import { EVENT_TYPES, type FleetEvent, NODE_EVENT_TYPES, SIGNAL_KINDS } from '../../server/contract/index.ts'

const textOf = (file: string): string => readFileSync(new URL(`../../docs/${file}`, import.meta.url), 'utf8')
const cellsOf = (text: string): string[] =>
  [...text.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? '')
const firstCells = (file: string): string[] => cellsOf(textOf(file))

describe('the documents', () => {
  it('list every event type once, and no other', () => {
    expect(firstCells('events.md').sort()).toEqual([...EVENT_TYPES].sort())
  })

  it('say which events a node may send', () => {
    const [, fromNodes = ''] = textOf('events.md').split(/^## /m)
    expect(fromNodes).toMatch(/^From nodes/)
    expect(cellsOf(fromNodes).sort()).toEqual([...NODE_EVENT_TYPES].sort())
  })

  it('list every signal and every threshold with its default', () => {
    const cells = firstCells('signals.md')
    const thresholds = Object.entries(DETECT_DEFAULTS).flatMap(([kind, fields]) =>
      Object.keys(fields).map((field) => `${kind}.${field}`),
    )
    expect(cells.sort()).toEqual([...SIGNAL_KINDS, ...thresholds].sort())
    const text = readFileSync(new URL('../../docs/signals.md', import.meta.url), 'utf8')
    for (const [kind, fields] of Object.entries(DETECT_DEFAULTS)) {
      for (const [field, value] of Object.entries(fields))
        expect(text).toContain(`| \`${kind}.${field}\` | ${value} |`)
    }
  })

  it('have a sentence for an event whose data is older than this version', () => {
    const event = {
      type: 'certificate.issued',
      node: 'fra-1',
      region: 'fra',
      data: {},
    } as unknown as FleetEvent
    expect(eventSentence(event)).toBe('certificate.issued')
  })
})
