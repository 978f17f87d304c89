"""Rows of an Airtable as jobs: a row that is Pending is submitted, and gets the address of its result, or the reason.

| module | what |
|---|---|
| fields | the table: which columns, of which types, and what of them is missing |
| client | Airtable's API: paced, patient, and never repeating a write that may have arrived |
| rows | a row as an order, and what a job's end writes into it |
| courier | rows to jobs and back: one pass, and passes for ever |
| lock | one pass at a time on a table, whoever else is at work |
| blueprints, targets | the same flow as scenarios for Make, and who does its jobs |

The key is a secret: it goes into one header, and into no message.
"""
