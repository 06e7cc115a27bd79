# Zynq UltraScale+: what the processing system offers, and what its parts are called.

proc make_processing_system {} {
    global settings
    set ps [create_bd_cell -type ip -vlnv xilinx.com:ip:zynq_ultra_ps_e zynq_ultra_ps_e_0]
    apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e -config {apply_board_preset 1} $ps
    # PYNQ programs the dividers of the clock for the IOPLL, whatever the design says: so the design says IOPLL.
    set options [list CONFIG.PSU__USE__M_AXI_GP0 1 CONFIG.PSU__USE__M_AXI_GP1 0 CONFIG.PSU__USE__M_AXI_GP2 0 \
        CONFIG.PSU__USE__IRQ0 1 CONFIG.PSU__FPGA_PL0_ENABLE 1 CONFIG.PSU__CRL_APB__PL0_REF_CTRL__SRCSEL IOPLL \
        CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $settings(fclk_mhz)]
    # S_AXI_HP0 to HP3 are the general slave ports 2 to 5.
    for {set n 0} {$n < $settings(ports)} {incr n} {
        set gp [expr {$n + 2}]
        lappend options CONFIG.PSU__USE__S_AXI_GP$gp 1 CONFIG.PSU__SAXIGP${gp}__DATA_WIDTH $settings(port_bits)
    }
    set_property -dict $options $ps
    return $ps
}

array set names {
    ps zynq_ultra_ps_e_0  clock pl_clk0  reset pl_resetn0  irq pl_ps_irq0
    control M_AXI_HPM0_FPD  control_clock maxihpm0_fpd_aclk
}
proc data_port {n} { return S_AXI_HP${n}_FPD }
proc data_clock {n} { return saxihp${n}_fpd_aclk }
