import type { TABLE_TONES } from '../../../../contract/answers/node-table.ts'
import type {
  LabelSource,
  NumberSource,
  PrometheusMap,
  ValueSource,
} from '../../../../contract/prometheus-map.ts'

/** What a preset may say of series beyond what a configuration does. */
export interface Narrowed {
  /** What labels have to look like; one that a series lacks is empty. */
  readonly where?: Readonly<Record<string, RegExp>>
}

/** Another name of the same thing, of another version of the program. */
export interface Renamed {
  readonly or?: readonly string[]
}

export type Source = NumberSource &
  ValueSource &
  LabelSource &
  Narrowed &
  Renamed & {
    /** It may be missing without a word, because whether it is shown at all is a choice: it is then absent. */
    readonly silent?: boolean
  }

/** Which series say what, by the names that a map has. */
export type SourceMap = { readonly [Name in keyof PrometheusMap]?: Source | undefined }

export interface PresetColumn extends Narrowed {
  readonly key: string
  readonly label: string
  readonly cell: 'count' | 'bytes' | 'state'
  readonly metric: string
  readonly labels?: Readonly<Record<string, string>>
  /** Of a `state` cell: what each value is called, and which of our states it looks like. */
  readonly words?: Readonly<Record<number, { tone: Tone; word: string }>>
  /** Of a `state` cell with a series for each state that there may be: the label that names it, and how it looks. */
  readonly wordIn?: string
  readonly tones?: Readonly<Record<string, Tone>>
}

type Tone = (typeof TABLE_TONES)[number]

/** A row for each value, or pair of values, of labels. */
export interface PresetTable {
  readonly id: string
  readonly title: string
  readonly by: readonly { readonly label: string; readonly title: string }[]
  readonly columns: readonly PresetColumn[]
  /** Rows without this column are left out: what was there once, and is not any more. */
  readonly present?: string
}

/** What is known of the page of one program. */
export interface Preset {
  /** A series that its page always has, where all that is mapped may be missing. */
  readonly sign?: string
  readonly map: SourceMap
  readonly tables: readonly PresetTable[]
}
