import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { entryText } from '../../../server/collector/probe/entry-text.ts'

it('An entry is one line of YAML, with references in the place of secrets', () => {
  const text = entryText({
    id: 'fra-1',
    region: 'fra',
    kind: 'json',
    url: 'https://push.example.com/health?a=1&b=2',
    map: { ok: '/ok', connections: '/stats/open' },
    address: undefined,
    drain: { webhook: { url: 'https://ops/drain', secret: 'never show this to anybody' } },
  })
  expect(text).not.toContain('\n')
  expect(text).not.toContain('never show')
  expect(parse(text)).toEqual([
    {
      id: 'fra-1',
      region: 'fra',
      kind: 'json',
      url: 'https://push.example.com/health?a=1&b=2',
      map: { ok: '/ok', connections: '/stats/open' },
      drain: { webhook: { url: 'https://ops/drain', secret: '${FRA_1_SECRET}' } },
    },
  ])
})

it('A reference that was given is kept', () => {
  expect(parse(entryText({ id: 'a', token: '${MINE}' }))).toEqual([{ id: 'a', token: '${MINE}' }])
})
