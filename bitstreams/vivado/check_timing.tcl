# Ends the build with an error unless every timing constraint is met.

proc check_timing {run} {
    foreach {name what} {WNS setup WHS hold} {
        set slack [get_property STATS.$name $run]
        if {$slack < 0} {
            error "timing is not met: worst $what slack is $slack ns; lower the board's fclk_mhz, see timing.rpt"
        }
    }
    if {[get_property STATS.TPWS $run] < 0} {
        error "timing is not met: a pulse is too narrow, see timing.rpt"
    }
}
