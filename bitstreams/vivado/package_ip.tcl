# Packages the accelerator's Verilog as an IP core.
#
# Vivado infers interfaces from the names of ports, but knows nothing of registers inside custom RTL.  They are written
# into the core here, from where they go into the .hwh file, and there PYNQ's register_map finds them.

# Adds one register, with its bit fields, to an address block.
proc add_register {block name offset size access doc fields} {
    set register [ipx::add_register $name $block]
    set_property -dict [list address_offset $offset size $size access $access description $doc] $register
    foreach field $fields {
        lassign $field field_name lsb width
        set item [ipx::add_field $field_name $register]
        set_property -dict [list bit_offset $lsb bit_width $width access $access] $item
    }
}

proc package_ip {} {
    global settings registers
    create_project package $settings(folder)/package -part $settings(part) -force
    add_files -norecurse $settings(verilog)
    set_property top $settings(top) [current_fileset]
    update_compile_order -fileset sources_1
    ipx::package_project -root_dir $settings(repository) -vendor $settings(vendor) -library $settings(library) \
        -taxonomy /UserIP -import_files -set_current true
    set core [ipx::current_core]
    set_property -dict [list name $settings(name) version $settings(version) \
        display_name "Nigiri ($settings(config))" description "SubGraph-stationary int8 accelerator"] $core

    # What the names of the ports do not say.
    ipx::infer_bus_interface interrupt xilinx.com:signal:interrupt_rtl:1.0 $core
    set pin [ipx::get_bus_interfaces interrupt -of_objects $core]
    set_property value LEVEL_HIGH [ipx::add_bus_parameter SENSITIVITY $pin]
    ipx::associate_bus_interfaces -busif s_axi -clock aclk $core
    for {set n 0} {$n < $settings(ports)} {incr n} {
        ipx::associate_bus_interfaces -busif m${n}_axi -clock aclk $core
        if {$n > 0} {
            # Results leave through the first port alone.
            set port [ipx::get_bus_interfaces m${n}_axi -of_objects $core]
            set_property value READ_ONLY [ipx::add_bus_parameter READ_WRITE_MODE $port]
        }
    }

    set map [ipx::get_memory_maps s_axi -of_objects $core]
    set block [lindex [ipx::get_address_blocks -of_objects $map] 0]
    set_property -dict [list range $settings(span) usage register] $block
    foreach register $registers {
        add_register $block {*}$register
    }
    ipx::update_checksums $core
    ipx::check_integrity $core
    ipx::save_core $core
    close_project
}
