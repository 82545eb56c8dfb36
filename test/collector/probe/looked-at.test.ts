import { expect, it } from 'vitest'
import { lookedAt } from '../../../server/collector/probe/looked-at.ts'

it.each([
  [{ url: 'http://127.0.0.1:9901/stats?key=hunter2#hunter2' }, 'http://127.0.0.1:9901/stats'],
  [{ url: 'https://ops:hunter2@gate.example.com/' }, 'https://gate.example.com/'],
  // It is refused afterwards; the audit row stays.
  [{ url: 'ops:hunter2@gate.example.com' }, 'what is no web address'],
  [{ url: '//ops:hunter2@gate' }, 'what is no web address'],
  [{ socket: '/run/haproxy.sock' }, '/run/haproxy.sock'],
  [{ address: '127.0.0.1:9999' }, '127.0.0.1:9999'],
])('names what is looked at without its secrets: %j', (request, said) => {
  expect(lookedAt(request)).toBe(said)
})
