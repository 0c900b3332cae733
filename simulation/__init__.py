"""Whole control planes under one seed: engines, requests and faults in virtual time.

One number decides everything: what is asked, in which order what is written is committed, who dies
and when. Nothing here waits, nothing runs beside anything else, and the code that is tried is the
product's own; only what is outside of it (time, chance, the way to the database and to the cloud)
is played. `docs/reliability.md` says what is proved by it and what is not.

    loop       an event loop in virtual time that can stop one process and let the others go on
    chance     numbers from seeds
    shapes     stacks, as templates and as what must then exist                              pure
    schedule   what is asked of the control plane, when and by whom                          pure
    weather    which fault strikes at which moment
    doors      a process's ways to the database and to the cloud, where the weather strikes
    ground     the database that all runs of one system process share, empty for each
    plant      the processes, over one database and one world
    clients    ask for what the schedule says, as people do: again, when no answer comes
    judge      what must hold when all is over
    weak       doors that break one promise each, to see that the judge notices
    run        one seed, from nothing to a verdict
    record     what was run, as the tables of docs/reliability.md
    shrink     a failing run with everything taken away that it does not need, as a test
"""
