import { expect, it } from 'vitest'
import { readAnswer } from '../../../../server/collector/adapters/haproxy/answer.ts'
import { processFacts, serverFacts } from '../../../../server/collector/adapters/haproxy/facts.ts'
import { tablesOf } from '../../../../server/collector/adapters/haproxy/tables.ts'
import { nodeTableSchema } from '../../../../server/contract/answers/node-table.ts'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../../../fuzz.ts'

const COLUMNS =
  'pxname,svname,qcur,scur,stot,bin,bout,status,weight,act,bck,lastchg,type,check_status,check_code,last_chk,mode,hrsp_2xx,hrsp_5xx,conn_tot,req_tot,dcon'
const ROW = 'web,web-1,0,1,9,10,20,UP,1,1,0,180,2,L7OK,200,fine,http,7,1,3,9,0'

it(
  'survives whatever stands in an answer of HAProxy: facts that count something, or a sentence',
  () => {
    const random = seededRandom(fuzzSeed('HAProxy'))
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
    const field = () =>
      pick([
        '',
        '-1',
        '1e999',
        'NaN',
        '"',
        '""',
        '"a,\n\nb"',
        '__proto__',
        '\u202e\u0000',
        'DOWN 1/2',
        'MAINT',
        'x'.repeat(400),
        '7',
      ])
    const row = () => {
      const fields = ROW.split(',')
      for (let changes = Math.floor(random() * 4); changes > 0; changes -= 1)
        fields[Math.floor(random() * fields.length)] = field()
      if (random() < 0.1) fields.splice(Math.floor(random() * fields.length), 1)
      return `${fields.join(',')},`
    }
    const info = () =>
      `Name: HAProxy\nVersion: ${field()}\nPid: ${field()}\nUptime_sec: ${field()}\n__proto__: 1\n${field()}: 2\n\n`
    const end = performance.now() + FUZZ_SECONDS * 1_000
    let read = 0
    while (performance.now() < end) {
      const rows = Array.from({ length: Math.floor(random() * 6) }, row)
      let text = `${info()}# ${random() < 0.05 ? COLUMNS.replace('status', 'state') : COLUMNS},\n${rows.join('\n')}\n\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state\n6 web 1 web-1 ${field()} 2 ${pick(['0', '8', '1', 'x', ''])}\n\n`
      if (random() < 0.2) text = text.slice(0, Math.floor(random() * text.length))
      const answer = readAnswer(text, pick([undefined, 'web']))
      if ('fault' in answer) {
        expect(answer.fault.length).toBeLessThan(400)
        continue
      }
      read += 1
      const facts = [processFacts(answer, [], new Set())]
      const server = serverFacts(answer, 'web', 'web-1')
      if ('facts' in server) facts.push(server.facts)
      for (const { gauges, counters, problems } of facts) {
        const counts = [gauges, ...Object.values(counters)].flatMap((part) => Object.values(part))
        for (const count of counts) expect(Number.isFinite(count) && count >= 0).toBe(true)
        expect(problems.length).toBeLessThanOrEqual(10)
        expect(problems.join('')).not.toContain('\u202e')
      }
      for (const table of tablesOf(answer)) nodeTableSchema.parse(table)
    }
    expect(read).toBeGreaterThan(10)
  },
  FUZZ_SECONDS * 1_000 + 20_000,
)
