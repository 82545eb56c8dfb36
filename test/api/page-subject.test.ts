import { expect, it } from 'vitest'
import { hasPageSubject } from '../../server/api/page-subject.ts'
import { FakeCollector } from './fake-collector.ts'

it.each([
  ['/', true],
  ['/nodes/fra-1', true],
  ['/nodes/nobody', false],
  ['/nodes/%ZZ', false],
  ['/regions/fra', true],
  ['/regions/moon', false],
  ['/drains', true],
  ['/drains/new', true],
  ['/drains/d1', true],
  ['/drains/d9', false],
  ['/incidents/i1', true],
  ['/incidents/i9', false],
])('a page that nobody can fill is a 404 at once: %s is %s', async (path, there) => {
  expect(await hasPageSubject(new FakeCollector(), path)).toBe(there)
})
