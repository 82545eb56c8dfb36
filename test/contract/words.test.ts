import { describe, expect, it } from 'vitest'
import { countWords, durationWords, listWords, plural, verbFor } from '../../server/contract/words.ts'

describe('words for numbers', () => {
  it.each([
    [0, '0 ms'],
    [840, '840 ms'],
    [999.9, '999 ms'],
    [1_000, '1 s'],
    [1_590, '1.5 s'],
    [9_999, '9.9 s'],
    [10_000, '10 s'],
    [119_999, '119 s'],
    [120_000, '2 min'],
    [192_700, '3 min'],
    [3_599_999, '59 min'],
    [3_600_000, '1 h'],
    [7_500_000, '2 h 5 min'],
    [86_400_000, '1 d'],
    [360_000_000, '4 d 4 h'],
    [-5, '0 ms'],
  ])('say %s ms as %s, cut and never rounded up', (ms, text) => {
    expect(durationWords(ms)).toBe(text)
  })

  it.each([
    [0, '0 tunnels'],
    [1, '1 tunnel'],
    [2, '2 tunnels'],
    [1_240, '1 240 tunnels'],
  ])('count %s in its own form', (count, text) => {
    expect(plural(count, 'tunnel')).toBe(text)
  })

  it('take the other form where adding an s is wrong', () => {
    expect(plural(2, 'push', 'pushes')).toBe('2 pushes')
    expect(verbFor(1, 'was', 'were')).toBe('was')
    expect(verbFor(0, 'was', 'were')).toBe('were')
  })

  it('list names, and say how many are left out', () => {
    expect(listWords([])).toBe('')
    expect(listWords(['a'])).toBe('a')
    expect(listWords(['a', 'b', 'c'])).toBe('a, b and c')
    expect(listWords(['a', 'b', 'c', 'd'])).toBe('a, b, c and 1 more')
    expect(countWords(1_234_567)).toBe('1 234 567')
  })
})
