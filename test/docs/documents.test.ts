import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { SIGNAL_RULES } from '../../server/collector/signals/registry.ts'
import { signalsDocument } from '../../server/collector/signals/signals-document.ts'
import { fieldsOf } from '../../server/collector/signals/threshold.ts'
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

  it('say of signals what their rules say; `npm run docs` writes it', () => {
    expect(textOf('signals.md')).toBe(signalsDocument())
  })

  it('list every signal that pages know, and every threshold', () => {
    const thresholds = SIGNAL_RULES.flatMap((rule) =>
      fieldsOf(rule.thresholds).map(({ name }) => `${rule.kind}.${name}`),
    )
    expect(thresholds.length).toBeGreaterThan(8)
    expect(firstCells('signals.md').sort()).toEqual([...SIGNAL_KINDS, ...thresholds].sort())
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
