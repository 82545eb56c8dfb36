/** One line of a chart: which value of a row it draws, and how. */
export interface ChartLine {
  key: string
  label: string
  color: string
  /** Drawn broken, to tell lines apart without colour. */
  dash?: string
}
